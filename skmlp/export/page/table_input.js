/** Input by sliders, one for each feature, for networks whose samples are not images. */

/** Input of features by sliders. */
export class TableInput {
  /**
   * @param {{ features: { name: string, min: number, max: number, value: number }[] }} settings
   * @param {() => void} onChange
   */
  constructor({ features }, onChange) {
    this.message = "";
    this.table = document.getElementById("features");
    this.sliders = features.map((feature) => addSlider(this.table, feature, onChange));
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
  const shown = document.createElement("span");
  text.textContent = name;
  shown.className = "value";
  shown.ariaHidden = "true"; // a screen reader says the value of the slider
  Object.assign(input, { type: "range", min, max, step: "any", value });
  const show = () => {
    shown.textContent = Number(input.valueAsNumber.toPrecision(4));
    input.setAttribute("aria-valuetext", shown.textContent);
  };
  const reset = () => {
    input.value = value;
    show();
  };
  input.addEventListener("input", () => {
    show();
    onChange();
  });
  label.append(text, input, shown);
  table.append(label);
  show();
  return { input, shown, reset };
}
