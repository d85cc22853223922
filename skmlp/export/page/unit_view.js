/** Details of a selected unit: its incoming weights, its activation and its largest outgoing weights. */

import { findLargest, paintValues } from "./views.js";

const N_LISTED = 3;

/** Section that describes a unit of a hidden layer. */
export class UnitView {
  /**
   * @param {HTMLElement} section
   * @param {Network} network
   * @param {unknown[]} classes
   * @param {([number, number] | null)[]} inputShapes rows and columns of the grid of the inputs of each layer; null for
   *   features that are not images
   * @param {string[]} featureNames names of these features
   */
  constructor(section, network, classes, inputShapes, featureNames) {
    this.section = section;
    this.network = network;
    this.classes = classes;
    this.inputShapes = inputShapes;
    this.featureNames = featureNames;
    this.shown = null;
  }

  /** Show a unit. */
  select(layer, unit, hidden, colors) {
    this.shown = { layer, unit };
    this.section.querySelector("h2").textContent = `Unit ${unit + 1} of hidden layer ${layer + 1}`;
    this.section.querySelector(".incoming").textContent = this.describeIncoming(layer, unit);
    this.section.querySelector(".outgoing").textContent = this.describeOutgoing(layer, unit);
    this.section.hidden = false;
    this.update(hidden, colors);
  }

  hide() {
    this.shown = null;
    this.section.hidden = true;
  }

  /** Show the weights and the activation of the selected unit. @param {Float32Array[] | null} hidden */
  update(hidden, colors) {
    if (this.shown !== null) {
      const { layer, unit } = this.shown;
      this.paintWeights(layer, unit, colors);
      const text = hidden === null ? "no input" : formatNumber(hidden[layer][unit], 3);
      this.section.querySelector(".activation").textContent = `Activation: ${text}`;
    }
  }

  paintWeights(layer, unit, colors) {
    const shape = this.inputShapes[layer];
    this.section.querySelector("figure").hidden = shape === null;
    this.section.querySelector(".legend").hidden = shape === null;
    if (shape !== null) {
      const canvas = this.section.querySelector("canvas");
      const weights = this.getIncoming(layer, unit);
      const gradients = this.getGradients(layer);
      canvas.classList.toggle("parts", gradients !== null);
      const picture = gradients?.arrange(weights) ?? weights;
      const scale = [colors.negative, colors.paper, colors.positive];
      paintValues(canvas, picture, gradients?.pictureShape ?? shape, scale, findLargest(weights));
      const source = layer === 0 ? "the input" : `hidden layer ${layer}`;
      canvas.setAttribute("aria-label", `Weights of the unit from ${source}`);
    }
  }

  getIncoming(layer, unit) {
    const { weights, fanIn } = this.network.layers[layer];
    return weights.subarray(unit * fanIn, (unit + 1) * fanIn);
  }

  /** Return the GradientInputs of a layer, null for other inputs. */
  getGradients(layer) {
    return layer === 0 ? this.network.gradients : null;
  }

  /** Describe the picture of the weights of gradients, or the largest weights of features that have names. */
  describeIncoming(layer, unit) {
    if (this.inputShapes[layer] !== null) {
      return this.getGradients(layer)?.describe() ?? "";
    }
    return `Largest incoming weights: ${listLargest(this.getIncoming(layer, unit), this.featureNames)}.`;
  }

  /** Describe the largest weights to the next layer; those to the classes by their labels. */
  describeOutgoing(layer, unit) {
    const { weights, fanIn, fanOut } = this.network.layers[layer + 1];
    const outgoing = Float32Array.from({ length: fanOut }, (_, target) => weights[target * fanIn + unit]);
    const isLast = layer + 2 === this.network.layers.length;
    // With two classes, the output unit is that of the second one.
    const labels = fanOut === this.classes.length ? this.classes : this.classes.slice(-1);
    const names = isLast ? labels.map((label) => `class ${label}`) : outgoing.map((_, target) => target + 1);
    const prefix = isLast ? "" : "unit ";
    const prefixed = Array.from(names, (name) => `${prefix}${name}`);
    return `Largest outgoing weights: ${listLargest(outgoing, prefixed)}.`;
  }
}

/** Return the names of the weights with the largest absolute values, with these weights. */
function listLargest(weights, names) {
  const indices = Array.from(weights.keys()).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
  const describe = (index) => `${names[index]} (${weights[index] < 0 ? "" : "+"}${formatNumber(weights[index], 2)})`;
  return indices.slice(0, N_LISTED).map(describe).join(", ");
}

/** Return a number with a true minus sign. */
function formatNumber(value, precision) {
  return String(Number(value.toPrecision(precision))).replace("-", "\u2212");
}
