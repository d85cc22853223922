/** View of one network: the image that it sees, its layers, the selected unit and the strongest paths. */

import { findStrongestPaths } from "./explanations.js";
import { UnitView } from "./unit_view.js";
import { findLargest, LayerView, locateCell, paintValues, readColors } from "./views.js";

/** The figures of a network, which are added to the page and can be removed. */
export class NetworkView {
  /**
   * @param {Network} network
   * @param {object} settings of the input
   * @param {unknown[]} classes
   */
  constructor(network, settings, classes) {
    this.network = network;
    this.settings = settings;
    this.classes = classes;
    this.seen = document.querySelector("#seen canvas");
    this.pass = null;
    this.figures = [];
    this.layerViews = network.layers.slice(0, -1).map((layer, index) => this.addLayer(layer, index));
    const shapes = [settings.shape ?? null, ...this.layerViews.map(({ rows, columns }) => [rows, columns])];
    const names = (settings.features ?? []).map(({ name }) => name);
    this.unitView = new UnitView(document.getElementById("unit"), network, classes, shapes, names);
  }

  /** Add the figure of a hidden layer, and return its view. */
  addLayer({ fanOut, activation }, index) {
    const figure = document.getElementById("layer").content.firstElementChild.cloneNode(true);
    const name = `Hidden layer ${index + 1}`;
    figure.querySelector(".name").textContent = name;
    figure.querySelector(".quiet").textContent = `${fanOut.toLocaleString("en-US")} units, ${activation}`;
    document.getElementById("network").append(figure);
    this.figures.push(figure);
    return new LayerView(figure, fanOut, name, (unit) => this.selectUnit(index, unit));
  }

  /** Remove the figures, and hide the unit. */
  remove() {
    this.figures.forEach((figure) => {
      figure.remove();
    });
    this.unitView.hide();
  }

  /**
   * Show a result of the network.
   *
   * @param {{ features: Float32Array, inputs: Float32Array, hidden: Float32Array[] } | null} pass null without input
   */
  show(pass, colors) {
    this.pass = pass;
    this.layerViews.forEach((view, layer) => {
      view.show(pass?.hidden[layer] ?? new Float32Array(view.size), colors);
    });
    this.unitView.update(pass?.hidden ?? null, colors);
    if (this.seen !== null) {
      const { values, limit } = this.getImage(colors);
      paintValues(this.seen, values, this.settings.shape, [colors.paper, colors.paper, colors.ink], limit);
    }
  }

  /** Return the image that the network sees, with values from 0 for the background to the limit. */
  getImage(colors) {
    const { smallest, largest } = this.settings;
    const features = this.pass?.features ?? new Float32Array(this.network.nFeatures).fill(smallest);
    return { values: features.map((value) => value - smallest), color: colors.ink, limit: largest - smallest };
  }

  /** Show how much each pixel supports the prediction, over the image. */
  showOcclusion(map, colors) {
    const scale = [colors.negative, colors.paper, colors.positive];
    paintValues(this.seen, map, this.settings.shape, scale, findLargest(map), this.getImage(colors));
  }

  selectUnit(layer, unit) {
    this.layerViews.forEach((view, index) => {
      if (index !== layer) {
        view.select(null);
      }
    });
    this.unitView.select(layer, unit, this.pass?.hidden ?? null, readColors());
  }

  /** Return the place of an input in the image, relative to its size. */
  locateInput(index) {
    return this.network.gradients?.locate(index) ?? locateCell(index, this.settings.shape);
  }

  /**
   * Find the strongest paths to a class.
   *
   * @param {number} explained index of the class
   * @returns {PathEdge[]}
   */
  findPaths(explained) {
    const nOutputs = this.network.layers.at(-1).fanOut;
    const output = nOutputs === 1 ? 0 : explained;
    const sign = this.classes.length === 2 && nOutputs === 1 && explained === 0 ? -1 : 1;
    return findStrongestPaths(this.network, this.pass.inputs, this.pass.hidden, output, sign);
  }
}
