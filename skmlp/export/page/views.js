/** Views of a prediction: images, grids of units, probabilities, and the paths between them. */

const UNDERLAY_OPACITY = 0.3;
/** A longer list of classes scrolls, and is sorted so that the most probable ones are in view. */
const MAX_UNSORTED_CLASSES = 20;

/**
 * Return the colors of the page, which depend on the color scheme, as arrays of red, green and blue from 0 to 255.
 *
 * @returns {{ paper: number[], ink: number[], positive: number[], negative: number[] }}
 */
export function readColors() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => {
    const hex = style.getPropertyValue(`--${name}`).trim().slice(1);
    return [0, 2, 4].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
  };
  return { paper: read("paper"), ink: read("ink"), positive: read("positive"), negative: read("negative") };
}

/**
 * Paint values as an image with one pixel per value, which CSS enlarges. NaN and missing values are transparent.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {[number, number]} shape height and width
 * @param {number[][]} colors for the values -limit, 0 and limit
 * @param {number} limit
 * @param {{ values: ArrayLike<number>, color: number[], limit: number } | null} under an image that shows faintly below
 */
export function paintValues(canvas, values, [height, width], [negative, zero, positive], limit, under = null) {
  canvas.height = height;
  canvas.width = width;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let pixel = 0; pixel < height * width; pixel++) {
    const value = Math.min(1, Math.max(-1, values[pixel] / (limit || 1)));
    const target = value < 0 ? negative : positive;
    const faint = under === null ? 0 : (UNDERLAY_OPACITY * under.values[pixel]) / under.limit;
    for (let channel = 0; channel < 3; channel++) {
      const base = under === null ? zero[channel] : mix(zero[channel], under.color[channel], faint);
      image.data[4 * pixel + channel] = mix(base, target[channel], Math.abs(value));
    }
    image.data[4 * pixel + 3] = value >= -1 ? 255 : 0;
  }
  context.putImageData(image, 0, 0);
}

function mix(first, second, fraction) {
  return first + fraction * (second - first);
}

/** Return the largest absolute value. */
export function findLargest(values) {
  return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
}

/** Return the center of a cell of a grid, relative to the size of the grid. */
export function locateCell(index, [rows, columns]) {
  return { x: ((index % columns) + 0.5) / columns, y: (Math.floor(index / columns) + 0.5) / rows };
}

/** Return a probability as text, with enough digits to tell it from 0 and 1. */
export function formatProbability(probability) {
  if (probability > 0 && probability < 0.001) {
    return "<\u00a00.1\u00a0%";
  }
  return probability > 0.999 && probability < 1 ? ">\u00a099.9\u00a0%" : `${(100 * probability).toFixed(1)}\u00a0%`;
}

/** Grid of the units of a hidden layer. The arrow keys and clicks select a unit. */
export class LayerView {
  /**
   * @param {HTMLElement} figure with a canvas and a caption
   * @param {number} size number of units
   * @param {string} name
   * @param {(unit: number) => void} onSelect
   */
  constructor(figure, size, name, onSelect) {
    this.canvas = figure.querySelector("canvas");
    this.marker = figure.querySelector(".marker");
    this.size = size;
    this.columns = Math.ceil(Math.sqrt(size));
    this.rows = Math.ceil(size / this.columns);
    this.name = name;
    this.onSelect = onSelect;
    this.selected = null;
    this.activations = new Float32Array(size);
    this.canvas.setAttribute("aria-label", `${name}: select a unit`);
    this.canvas.setAttribute("aria-valuemin", "1");
    this.canvas.setAttribute("aria-valuemax", String(size));
    this.canvas.addEventListener("click", (event) => this.select(this.locateUnit(event)));
    this.canvas.addEventListener("keydown", (event) => this.handleKey(event));
    this.describe();
  }

  /** Paint the activations; the units that are dropped are 0. */
  show(activations, colors) {
    this.activations = activations;
    const scale = [colors.negative, colors.paper, colors.positive];
    paintValues(this.canvas, activations, [this.rows, this.columns], scale, findLargest(activations));
    this.describe();
  }

  select(unit) {
    if (unit !== null && (unit < 0 || unit >= this.size)) {
      return;
    }
    this.selected = unit;
    this.marker.hidden = unit === null;
    this.describe();
    if (unit !== null) {
      const { x, y } = this.getPosition(unit);
      this.marker.style.left = `${100 * x}%`;
      this.marker.style.top = `${100 * y}%`;
      this.marker.style.width = `${100 / this.columns}%`;
      this.onSelect(unit);
    }
  }

  handleKey(event) {
    const current = this.selected ?? -1;
    const targets = {
      ArrowLeft: current - 1,
      ArrowRight: current + 1,
      ArrowUp: current - this.columns,
      ArrowDown: current + this.columns,
      Home: 0,
      End: this.size - 1,
    };
    if (event.key in targets && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.select(this.selected === null && event.key !== "End" ? 0 : targets[event.key]);
    }
  }

  /** Return the center of a unit relative to the size of the grid. */
  getPosition(unit) {
    return locateCell(unit, [this.rows, this.columns]);
  }

  locateUnit(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const column = Math.floor(((event.clientX - left) / width) * this.columns);
    return Math.floor(((event.clientY - top) / height) * this.rows) * this.columns + column;
  }

  /** Set what a screen reader says. */
  describe() {
    const text =
      this.selected === null
        ? `${this.size} units, none selected`
        : `unit ${this.selected + 1} of ${this.size}, activation ${this.activations[this.selected].toPrecision(3)}`;
    this.canvas.setAttribute("aria-valuenow", String((this.selected ?? 0) + 1));
    this.canvas.setAttribute("aria-valuetext", text);
  }
}

/** List of the classes with their probabilities as bars. */
export class ProbabilityView {
  /**
   * @param {HTMLElement} list
   * @param {unknown[]} classes
   * @param {HTMLTemplateElement} template of a row
   */
  constructor(list, classes, template) {
    this.list = list;
    this.rows = classes.map((label) => {
      const row = template.content.firstElementChild.cloneNode(true);
      row.querySelector(".label").textContent = String(label);
      list.append(row);
      return row;
    });
  }

  /**
   * @param {ArrayLike<number> | null} probabilities
   * @param {number[]} predicted indices of the predicted classes
   */
  show(probabilities, predicted) {
    this.rows.forEach((row, index) => {
      const probability = probabilities?.[index] ?? 0;
      row.querySelector(".bar span").style.transform = `scaleX(${probability})`;
      row.querySelector(".number").textContent = probabilities === null ? "" : formatProbability(probability);
      row.classList.toggle("predicted", probabilities !== null && predicted.includes(index));
    });
    if (this.rows.length > MAX_UNSORTED_CLASSES && probabilities !== null) {
      const order = [...this.rows.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);
      this.list.append(...order.map((index) => this.rows[index]));
    }
  }

  /** Return the position on the screen at which the paths to a class end, in the visible part of the list. */
  getTarget(index) {
    const { left, top, height } = this.rows[index].querySelector(".label").getBoundingClientRect();
    const visible = this.list.getBoundingClientRect();
    return { x: left, y: Math.min(visible.bottom, Math.max(visible.top, top + height / 2)) };
  }
}

/**
 * Draw lines between points of the page.
 *
 * @param {SVGElement} svg that covers the area of the lines
 * @param {{ from: { x: number, y: number }, to: { x: number, y: number }, strength: number }[]} lines in pixels
 *   relative to the area
 */
export function drawLines(svg, lines) {
  const paths = lines.map(({ from, to, strength }) => {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    // The curve leaves and arrives along the longer direction.
    const isWide = Math.abs(to.x - from.x) > Math.abs(to.y - from.y);
    const [dx, dy] = isWide ? [(to.x - from.x) / 2, 0] : [0, (to.y - from.y) / 2];
    path.setAttribute(
      "d",
      `M${from.x} ${from.y}C${from.x + dx} ${from.y + dy} ${to.x - dx} ${to.y - dy} ${to.x} ${to.y}`,
    );
    path.setAttribute("stroke-opacity", String(0.15 + 0.75 * strength));
    path.setAttribute("stroke-width", String(0.75 + 1.75 * strength));
    return path;
  });
  svg.replaceChildren(...paths);
}
