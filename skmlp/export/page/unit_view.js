/** Details of a selected unit: its incoming weights as an image, its activation and its largest outgoing weights. */

import { findLargest, paintValues } from "./views.js";

const N_OUTGOING = 3;

/** Section that describes a unit of a hidden layer. */
export class UnitView {
  /**
   * @param {HTMLElement} section
   * @param {Network} network
   * @param {unknown[]} classes
   * @param {[number, number][]} inputShapes rows and columns of the grid of the inputs of each layer
   */
  constructor(section, network, classes, inputShapes) {
    this.section = section;
    this.network = network;
    this.classes = classes;
    this.inputShapes = inputShapes;
    this.shown = null;
  }

  /** Show the weights of a unit. */
  select(layer, unit, hidden, colors) {
    this.shown = { layer, unit };
    const { weights, fanIn } = this.network.layers[layer];
    const incoming = weights.subarray(unit * fanIn, (unit + 1) * fanIn);
    const canvas = this.section.querySelector("canvas");
    const scale = [colors.negative, colors.paper, colors.positive];
    paintValues(canvas, incoming, this.inputShapes[layer], scale, findLargest(incoming));
    const source = layer === 0 ? "the input" : `hidden layer ${layer}`;
    canvas.setAttribute("aria-label", `Weights of the unit from ${source}`);
    this.section.querySelector("h2").textContent = `Unit ${unit + 1} of hidden layer ${layer + 1}`;
    this.section.querySelector(".outgoing").textContent = this.describeOutgoing(layer, unit);
    this.section.hidden = false;
    this.update(hidden);
  }

  /** Show the activation of the selected unit. @param {Float32Array[] | null} hidden */
  update(hidden) {
    if (this.shown !== null) {
      const { layer, unit } = this.shown;
      const text = hidden === null ? "no input" : Number(hidden[layer][unit].toPrecision(3));
      this.section.querySelector(".activation").textContent = `Activation: ${text}`;
    }
  }

  /** Describe the largest weights to the next layer; those to the classes by their labels. */
  describeOutgoing(layer, unit) {
    const { weights, fanIn, fanOut } = this.network.layers[layer + 1];
    const outgoing = Array.from({ length: fanOut }, (_, target) => ({
      target,
      weight: weights[target * fanIn + unit],
    }));
    outgoing.sort((first, second) => Math.abs(second.weight) - Math.abs(first.weight));
    const isLast = layer + 2 === this.network.layers.length;
    const hasClasses = isLast && fanOut === this.classes.length;
    const list = outgoing.slice(0, N_OUTGOING).map(({ target, weight }) => {
      const sign = weight < 0 ? "\u2212" : "+";
      const name = hasClasses
        ? `class ${this.classes[target]}`
        : isLast
          ? `class ${this.classes.at(-1)}`
          : `unit ${target + 1}`;
      return `${name} (${sign}${Math.abs(weight).toPrecision(2)})`;
    });
    return `Largest outgoing weights: ${list.join(", ")}.`;
  }
}
