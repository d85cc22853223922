/** The page: connects the input, the network and the views. */

import { DrawingInput } from "./drawing_input.js";
import { computeOcclusionMap, findStrongestPaths } from "./explanations.js";
import { decodeNetwork, decompressText } from "./network.js";
import { addNoise, makeDropMasks } from "./perturbations.js";
import { runSelfTest } from "./self_test.js";
import { TableInput } from "./table_input.js";
import { UnitView } from "./unit_view.js";
import {
  drawLines,
  findLargest,
  formatProbability,
  LayerView,
  ProbabilityView,
  paintValues,
  readColors,
} from "./views.js";

const FRAME_MILLISECONDS = 12;
const OCCLUSION_PATCH = 4;
const SEED = 1;

const findElement = (id) => document.getElementById(id);

/** State of the page, and its reaction to changes. */
class Page {
  constructor(description, network) {
    this.network = network;
    this.settings = description.input;
    this.classes = description.network.classes;
    this.multilabel = description.network.multilabel;
    this.result = null;
    this.scheduled = false;
    this.occlusion = null;
    const onChange = () => this.schedule();
    this.input =
      this.settings.kind === "drawing"
        ? new DrawingInput(this.settings, this.classes, onChange)
        : new TableInput(this.settings, onChange);
    this.makeViews();
    for (const id of ["show-paths", "show-occlusion", "noise", "dropped"]) {
      findElement(id)?.addEventListener("input", onChange);
    }
    new ResizeObserver(() => this.showPaths()).observe(findElement("flow"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.input.drawing?.paint();
      this.schedule();
    });
  }

  makeViews() {
    const hiddenLayers = this.network.layers.slice(0, -1);
    const figures = [...document.querySelectorAll(".layer")];
    this.layerViews = hiddenLayers.map(
      ({ fanOut }, layer) =>
        new LayerView(figures[layer], fanOut, `Hidden layer ${layer + 1}`, (unit) => this.selectUnit(layer, unit)),
    );
    this.probabilityView = new ProbabilityView(findElement("classes"), this.classes, findElement("class-row"));
    this.seen = document.querySelector("#seen canvas");
    const firstShape = this.settings.shape ?? [1, this.network.layers[0].fanIn];
    const shapes = [firstShape, ...this.layerViews.map(({ rows, columns }) => [rows, columns])];
    this.unitView = new UnitView(findElement("unit"), this.network, this.classes, shapes);
  }

  /** Update the page before the next frame. */
  schedule() {
    if (!this.scheduled) {
      this.scheduled = true;
      requestAnimationFrame(() => {
        this.scheduled = false;
        this.update();
      });
    }
  }

  update() {
    const start = performance.now();
    const features = this.input.read();
    this.result = features === null ? null : this.computeResult(features);
    this.showResult();
    this.milliseconds = performance.now() - start;
  }

  /** Predict from features with the selected noise and dropped units. */
  computeResult(original) {
    const noise = readSlider("noise");
    const features =
      noise > 0 ? addNoise(original, noise * this.settings.largest, this.settings.largest, SEED) : original;
    const sizes = this.layerViews.map(({ size }) => size);
    const { hidden, probabilities } = this.network.forward(features, makeDropMasks(sizes, readSlider("dropped"), SEED));
    return { features, hidden, probabilities, predicted: this.network.predict(probabilities) };
  }

  showResult() {
    const { result } = this;
    const colors = readColors();
    this.probabilityView.show(result?.probabilities ?? null, result?.predicted ?? []);
    this.layerViews.forEach((view, layer) => {
      view.show(result?.hidden[layer] ?? new Float32Array(view.size), colors);
    });
    this.unitView.update(result?.hidden ?? null);
    this.showAnswer();
    this.showSeen(colors);
    this.showPaths();
    this.startOcclusion(colors);
  }

  /** Show the prediction, or why there is none. */
  showAnswer() {
    const answer = findElement("answer");
    if (this.result === null) {
      answer.replaceChildren(this.input.message);
      return;
    }
    const { predicted, probabilities } = this.result;
    const label = document.createElement("strong");
    label.textContent = predicted.length === 0 ? "none" : predicted.map((index) => this.classes[index]).join(", ");
    answer.classList.toggle("long", label.textContent.length > 3);
    const text = document.createElement("span");
    text.className = "quiet";
    text.textContent =
      predicted.length === 1
        ? `with a probability of ${formatProbability(probabilities[predicted[0]])}`
        : "predicted labels";
    answer.replaceChildren(label, text);
  }

  showSeen(colors) {
    if (this.seen !== null) {
      const features = this.result?.features ?? new Float32Array(this.network.layers[0].fanIn);
      paintValues(
        this.seen,
        features,
        this.settings.shape,
        [colors.paper, colors.paper, colors.ink],
        this.settings.largest,
      );
    }
  }

  /** Return the index of the class that is explained: the most probable one. */
  findExplainedClass() {
    const { probabilities } = this.result;
    return probabilities.indexOf(Math.max(...probabilities));
  }

  showPaths() {
    const svg = findElement("paths");
    if (this.result === null || !findElement("show-paths").checked) {
      svg.replaceChildren();
      return;
    }
    const { features, hidden } = this.result;
    const explained = this.findExplainedClass();
    const nOutputs = this.network.layers.at(-1).fanOut;
    const isBinary = nOutputs === 1 && this.classes.length === 2;
    const output = nOutputs === 1 ? 0 : explained;
    const edges = findStrongestPaths(this.network, features, hidden, output, isBinary && explained === 0 ? -1 : 1);
    const places = this.measurePlaces(explained);
    const lines = edges.map(({ layer, from, to, strength }) => ({
      from: places[layer](from),
      to: places[layer + 1](to),
      strength,
    }));
    drawLines(svg, lines);
  }

  /** Return functions that give the position of each input, unit and output relative to the area of the paths. */
  measurePlaces(explained) {
    const area = findElement("flow").getBoundingClientRect();
    const locate = (element, { x, y }) => {
      const { left, top, width, height } = element.getBoundingClientRect();
      return { x: left - area.left + x * width, y: top - area.top + y * height };
    };
    const inputs = (index) => this.locateInput(index, locate);
    const layers = this.layerViews.map((view) => (unit) => locate(view.canvas, view.getPosition(unit)));
    const label = this.probabilityView.getTarget(explained);
    return [inputs, ...layers, () => locate(label, { x: 0, y: 0.5 })];
  }

  locateInput(index, locate) {
    if (this.seen === null) {
      return locate(this.input.sliders[index].output, { x: 1, y: 0.5 });
    }
    const [height, width] = this.settings.shape;
    return locate(this.seen, { x: ((index % width) + 0.5) / width, y: (Math.floor(index / width) + 0.5) / height });
  }

  /** Start to compute the occlusion map; a later change stops it. */
  startOcclusion(colors) {
    const isShown = findElement("show-occlusion")?.checked ?? false;
    findElement("occlusion-legend").hidden = !isShown;
    this.occlusion = null;
    if (isShown && this.result !== null) {
      const { features } = this.result;
      this.occlusion = computeOcclusionMap(
        this.network,
        features,
        this.settings.shape,
        this.findExplainedClass(),
        OCCLUSION_PATCH,
      );
      this.continueOcclusion(this.occlusion, colors);
    }
  }

  continueOcclusion(occlusion, colors) {
    if (occlusion !== this.occlusion) {
      return;
    }
    const end = performance.now() + FRAME_MILLISECONDS;
    let step = occlusion.next();
    while (!step.done && performance.now() < end) {
      step = occlusion.next();
    }
    if (!step.done) {
      requestAnimationFrame(() => this.continueOcclusion(occlusion, colors));
      return;
    }
    const scale = [colors.negative, colors.paper, colors.positive];
    const image = { values: this.result.features, color: colors.ink, limit: this.settings.largest };
    paintValues(this.seen, step.value, this.settings.shape, scale, findLargest(step.value), image);
  }

  selectUnit(layer, unit) {
    this.layerViews.forEach((view, index) => {
      if (index !== layer) {
        view.select(null);
      }
    });
    this.unitView.select(layer, unit, this.result?.hidden ?? null, readColors());
  }

  /** Return what other scripts may use. */
  makeInterface({ version, digest }, selfTest) {
    return {
      predict: (pixels) => this.network.forward(this.input.convert(pixels)).probabilities,
      normalize: (imageData) => this.input.normalize(imageData),
      classes: this.classes,
      version,
      digest,
      selfTest,
    };
  }
}

/** Return the value of a slider as a number and show it as a percentage; 0 if the page has no such slider. */
function readSlider(id) {
  const slider = findElement(id);
  if (slider === null) {
    return 0;
  }
  document.querySelector(`output[for="${id}"]`).textContent = `${Math.round(100 * slider.value)} %`;
  return Number(slider.value);
}

/** Decode the samples of the self-test. */
async function decodeSamples({ features, probabilities }) {
  const values = new Float32Array(await decompressText(features));
  const size = values.length / probabilities.length;
  return probabilities.map((expected, index) => ({
    features: values.subarray(index * size, (index + 1) * size),
    probabilities: expected,
  }));
}

function showFailure(message) {
  const failure = findElement("failure");
  failure.textContent = message;
  failure.hidden = false;
}

async function startPage() {
  const description = JSON.parse(findElement("description").textContent);
  const network = await decodeNetwork(description.network);
  const selfTest = runSelfTest(network, await decodeSamples(description.samples));
  const difference = selfTest.largestDifference.toExponential(0);
  findElement("self-test").textContent =
    `${selfTest.passed ? "passed" : "failed"}: ${selfTest.nSamples} samples, probabilities within ${difference} of Python's`;
  if (!selfTest.passed) {
    showFailure(
      `This browser computes other probabilities than Python (difference ${difference}). Use another browser.`,
    );
  }
  const page = new Page(description, network);
  window.skmlp = page.makeInterface(description.network, selfTest);
  page.update();
  document.dispatchEvent(new Event("skmlp-ready"));
  if (description.input.example !== null) {
    page.input.drawExample(description.input.example);
  }
}

startPage().catch((error) => {
  showFailure(
    `The page cannot be started: ${error.message}. Use a current version of Chrome, Edge, Firefox or Safari.`,
  );
  throw error;
});
