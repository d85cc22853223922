/** Input by sliders, one for each feature, for networks whose samples are not images. */

/** Input of features by sliders. */
export class TableInput {
  /**
   * @param {{ features: { name: string, min: number, max: number, value: number }[] }} settings
   * @param {() => void} onChange
   */
  constructor({ features }, onChange) {
    this.message = "";
    const table = document.getElementById("features");
    this.sliders = features.map((feature) => addSlider(table, feature, onChange));
    document.getElementById("reset").addEventListener("click", () => {
      this.sliders.forEach(({ reset }) => {
        reset();
      });
      onChange();
    });
  }

  /** Return the values of the features. @returns {Float32Array} */
  read() {
    return Float32Array.from(this.sliders, ({ input }) => input.valueAsNumber);
  }

  /** Return features as they are. */
  convert(values) {
    return Float32Array.from(values);
  }
}

/** Add a labeled slider that shows its value. */
function addSlider(table, { name, min, max, value }, onChange) {
  const label = document.createElement("label");
  const text = document.createElement("span");
  const input = document.createElement("input");
  const output = document.createElement("output");
  text.textContent = name;
  Object.assign(input, { type: "range", min, max, step: "any", value });
  const show = () => {
    output.textContent = Number(input.valueAsNumber.toPrecision(4));
  };
  const reset = () => {
    input.value = value;
    show();
  };
  input.addEventListener("input", () => {
    show();
    onChange();
  });
  label.append(text, input, output);
  table.append(label);
  show();
  return { input, output, reset };
}
