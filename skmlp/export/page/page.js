/** The page: connects the input, the network and the views. */

import { DrawingInput } from "./drawing_input.js";
import { computeLogOdds, computeOcclusionMap, findStrongestPaths } from "./explanations.js";
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
const PAUSE_MILLISECONDS = 800;
const OCCLUSION_PATCH = 4;
const SEED = 1;

const findElement = (id) => document.getElementById(id);

/** State of the page, and its reaction to changes. */
class Page {
  constructor(description, network) {
    this.network = network;
    this.settings = description.input;
    this.classes = description.network.classes;
    this.result = null;
    this.scheduled = false;
    this.occlusion = null;
    this.announcement = null;
    const onChange = () => this.schedule();
    this.input =
      this.settings.kind === "drawing"
        ? new DrawingInput(this.settings, onChange, (text) => this.announce(text, 0))
        : new TableInput(this.settings, onChange);
    this.makeViews();
    for (const id of ["show-paths", "show-occlusion", "noise", "dropped"]) {
      findElement(id)?.addEventListener("input", () => {
        showPercentages();
        this.schedule();
      });
    }
    showPercentages();
    for (const list of [findElement("classes"), findElement("features")]) {
      list?.addEventListener("scroll", () => this.showPaths());
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
    const shapes = [this.settings.shape ?? null, ...this.layerViews.map(({ rows, columns }) => [rows, columns])];
    const names = (this.settings.features ?? []).map(({ name }) => name);
    this.unitView = new UnitView(findElement("unit"), this.network, this.classes, shapes, names);
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
    const features = this.input.read();
    this.result = features === null ? null : this.computeResult(features);
    const colors = readColors();
    const { probabilities = null, predicted = [], hidden = null } = this.result ?? {};
    this.probabilityView.show(probabilities, predicted);
    this.layerViews.forEach((view, layer) => {
      view.show(hidden?.[layer] ?? new Float32Array(view.size), colors);
    });
    this.unitView.update(hidden, colors);
    this.showAnswer();
    this.showSeen(colors);
    this.showPaths();
    this.startOcclusion(colors);
  }

  /** Predict from features with the selected noise and dropped units. */
  computeResult(original) {
    const { smallest, largest } = this.settings;
    const noise = readSlider("noise");
    const features = noise > 0 ? addNoise(original, noise * (largest - smallest), smallest, largest, SEED) : original;
    const sizes = this.layerViews.map(({ size }) => size);
    const masks = makeDropMasks(sizes, readSlider("dropped"), SEED);
    const { hidden, probabilities } = this.network.forward(features, masks);
    const predicted = this.network.predict(probabilities);
    const explained = predicted.toSorted((a, b) => probabilities[b] - probabilities[a])[0] ?? null;
    return { features, masks, hidden, probabilities, predicted, explained };
  }

  /** Show the prediction, or why there is none. */
  showAnswer() {
    const answer = findElement("answer");
    if (this.result === null) {
      answer.replaceChildren(this.input.message);
      this.announce(this.input.message);
      return;
    }
    const { predicted, probabilities } = this.result;
    const label = document.createElement("strong");
    label.textContent = predicted.map((index) => this.classes[index]).join(", ");
    answer.classList.toggle("long", label.textContent.length > 3);
    const text = document.createElement("span");
    text.className = "quiet";
    text.textContent =
      {
        0: "No label is predicted.",
        1: `with a probability of ${formatProbability(probabilities[predicted[0]])}`,
      }[predicted.length] ?? "";
    answer.replaceChildren(label, text);
    this.announce(`${label.textContent} ${text.textContent}`);
  }

  /** Let screen readers say a text, by default when the user has paused instead of after each change. */
  announce(text, delay = PAUSE_MILLISECONDS) {
    clearTimeout(this.announcement);
    this.announcement = setTimeout(() => {
      findElement("announcement").textContent = text;
    }, delay);
  }

  showSeen(colors) {
    if (this.seen !== null) {
      const image = this.getImage(colors);
      paintValues(this.seen, image.values, this.settings.shape, [colors.paper, colors.paper, colors.ink], image.limit);
    }
  }

  /** Return the image that the network sees, with values from 0 for the background to the limit. */
  getImage(colors) {
    const { smallest, largest } = this.settings;
    const features = this.result?.features ?? new Float32Array(this.network.layers[0].fanIn).fill(smallest);
    return { values: features.map((value) => value - smallest), color: colors.ink, limit: largest - smallest };
  }

  showPaths() {
    const svg = findElement("paths");
    const explained = this.result?.explained ?? null;
    if (explained === null || !findElement("show-paths").checked) {
      svg.replaceChildren();
      return;
    }
    const { features, hidden } = this.result;
    const nOutputs = this.network.layers.at(-1).fanOut;
    const output = nOutputs === 1 ? 0 : explained;
    const sign = this.classes.length === 2 && nOutputs === 1 && explained === 0 ? -1 : 1;
    const places = this.measurePlaces(explained);
    const edges = findStrongestPaths(this.network, features, hidden, output, sign);
    const lines = edges.map(({ layer, from, to, strength }) => ({
      from: places[layer](from),
      to: places[layer + 1](to),
      strength,
    }));
    drawLines(svg, lines);
  }

  /** Return functions that give the position of each input, unit and output relative to the area of the paths. */
  measurePlaces(explained) {
    const rectangles = new Map();
    const measure = (element) => {
      if (!rectangles.has(element)) {
        rectangles.set(element, element.getBoundingClientRect());
      }
      return rectangles.get(element);
    };
    const area = measure(findElement("flow"));
    const subtract = ({ x, y }) => ({ x: x - area.left, y: y - area.top });
    const locate = (element, { x, y }) => {
      const { left, top, width, height } = measure(element);
      return subtract({ x: left + x * width, y: top + y * height });
    };
    const inputs = (index) => this.locateInput(index, locate);
    const layers = this.layerViews.map((view) => (unit) => locate(view.canvas, view.getPosition(unit)));
    return [inputs, ...layers, () => subtract(this.probabilityView.getTarget(explained))];
  }

  locateInput(index, locate) {
    if (this.seen === null) {
      const { x, y } = locate(this.input.sliders[index].shown, { x: 1, y: 0.5 });
      const [top, bottom] = [0, 1].map((edge) => locate(this.input.table, { x: 0, y: edge }).y);
      return { x, y: Math.min(bottom, Math.max(top, y)) };
    }
    const [height, width] = this.settings.shape;
    return locate(this.seen, { x: ((index % width) + 0.5) / width, y: (Math.floor(index / width) + 0.5) / height });
  }

  /** Start to compute the occlusion map; a later change stops it. */
  startOcclusion(colors) {
    const isShown = findElement("show-occlusion")?.checked ?? false;
    findElement("occlusion-legend").hidden = !isShown;
    this.occlusion = null;
    const { explained = null, features, masks } = this.result ?? {};
    if (isShown && explained !== null) {
      const { shape, smallest } = this.settings;
      const computeScore = (values) => computeLogOdds(this.network, this.network.forward(values, masks), explained);
      this.occlusion = computeOcclusionMap(computeScore, features, shape, smallest, OCCLUSION_PATCH);
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
    paintValues(this.seen, step.value, this.settings.shape, scale, findLargest(step.value), this.getImage(colors));
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
      predict: (pixels) => this.predict(pixels),
      normalize: (imageData) => this.input.normalize(imageData),
      classes: this.classes,
      version,
      digest,
      selfTest,
    };
  }

  /** Return the probabilities for the pixels of an image from 0 to 255, or for features that are not images. */
  predict(pixels) {
    const { fanIn } = this.network.layers[0];
    if (pixels.length !== fanIn) {
      throw new RangeError(`pixels must have ${fanIn} values, got ${pixels.length}. Pass one value per pixel.`);
    }
    return this.network.forward(this.input.convert(pixels)).probabilities;
  }
}

/** Return the value of a slider, or 0 if the page does not have it. */
function readSlider(id) {
  return Number(findElement(id)?.value ?? 0);
}

/** Show the values of the sliders as percentages. */
function showPercentages() {
  for (const shown of document.querySelectorAll(".value[data-slider]")) {
    const slider = findElement(shown.dataset.slider);
    shown.textContent = `${Math.round(100 * slider.value)} %`;
    slider.setAttribute("aria-valuetext", shown.textContent);
  }
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
      `The probabilities that this browser computes differ from Python's by up to ${difference}. Use another browser.`,
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
