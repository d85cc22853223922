/** The page: connects the input, the network and the views. */

import { averageProbabilities, decodeMembers } from "./committee.js";
import { DrawingInput } from "./drawing_input.js";
import { computeLogOdds, computeOcclusionMap } from "./explanations.js";
import { describeAgreement, MemberList } from "./member_list.js";
import { decompressText } from "./network.js";
import { NetworkView } from "./network_view.js";
import { addNoise, makeDropMasks } from "./perturbations.js";
import { runSelfTest } from "./self_test.js";
import { TableInput } from "./table_input.js";
import { drawLines, formatProbability, ProbabilityView, readColors } from "./views.js";

const FRAME_MILLISECONDS = 12;
const PAUSE_MILLISECONDS = 800;
const OCCLUSION_PATCH = 4;
const SEED = 1;

const findElement = (id) => document.getElementById(id);

/** State of the page, and its reaction to changes. */
class Page {
  constructor({ classes, input }, members) {
    this.members = members;
    this.settings = input;
    this.classes = classes;
    this.shown = 0; // index of the member whose network is shown
    this.result = null;
    this.scheduled = false;
    this.occlusion = null;
    this.announcement = null;
    const onChange = () => this.schedule();
    this.input =
      this.settings.kind === "drawing"
        ? new DrawingInput(this.settings, onChange, (text) => this.announce(text, 0))
        : new TableInput(this.settings, onChange);
    this.probabilityView = new ProbabilityView(findElement("classes"), classes, findElement("class-row"));
    const table = findElement("members");
    this.memberList = table === null ? null : new MemberList(table, classes);
    const selection = findElement("member");
    this.showMember(selection?.selectedIndex ?? 0); // browsers can restore the selection
    selection?.addEventListener("change", () => {
      this.showMember(selection.selectedIndex);
      this.update();
    });
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

  /** Show the network of a member instead of another one. */
  showMember(index) {
    this.shown = index;
    this.networkView?.remove();
    this.networkView = new NetworkView(this.members[index].network, this.settings, this.classes);
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
    const values = this.input.read();
    this.result = values === null ? null : this.computeResult(values, readSlider("noise"), readSlider("dropped"));
    const colors = readColors();
    const { passes = null, probabilities = null, predicted = [], explained = null } = this.result ?? {};
    this.probabilityView.show(probabilities, predicted);
    this.memberList?.show(passes, explained);
    this.networkView.show(passes?.[this.shown] ?? null, colors);
    this.showAnswer();
    this.showPaths();
    this.startOcclusion(colors);
  }

  /**
   * Predict from the pixels of an image from 0 to 255, or from features that are not images.
   *
   * @param {ArrayLike<number>} values
   * @param {number} noise standard deviation relative to the range of the features
   * @param {number} dropped fraction of the hidden units that are switched off
   */
  computeResult(values, noise = 0, dropped = 0) {
    const { smallest, largest } = this.settings;
    const passes = this.members.map((member) => {
      const original = this.input.convert(values, member);
      const features = noise > 0 ? addNoise(original, noise * (largest - smallest), smallest, largest, SEED) : original;
      const masks = makeDropMasks(member.network.hiddenSizes, dropped, SEED);
      return { features, masks, ...member.network.forward(features, masks) };
    });
    const probabilities = averageProbabilities(this.members, passes);
    const predicted = this.members[0].network.predict(probabilities); // several members predict one label each
    const explained = predicted.toSorted((a, b) => probabilities[b] - probabilities[a])[0] ?? null;
    return { passes, probabilities, predicted, explained };
  }

  /** Show the prediction, or why there is none. */
  showAnswer() {
    const answer = findElement("answer");
    if (this.result === null) {
      answer.replaceChildren(this.input.message);
      this.announce(this.input.message);
      return;
    }
    const { passes, predicted, probabilities, explained } = this.result;
    const agreement = this.memberList === null ? "" : `, ${describeAgreement(passes, explained)}`;
    const label = document.createElement("strong");
    label.textContent = predicted.map((index) => this.classes[index]).join(", ");
    answer.classList.toggle("long", label.textContent.length > 3);
    const text = document.createElement("span");
    text.className = "quiet";
    text.textContent =
      {
        0: "No label is predicted.",
        1: `with a probability of ${formatProbability(probabilities[predicted[0]])}${agreement}`,
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

  showPaths() {
    const svg = findElement("paths");
    const explained = this.result?.explained ?? null;
    if (explained === null || !findElement("show-paths").checked) {
      svg.replaceChildren();
      return;
    }
    const places = this.measurePlaces(explained);
    const edges = this.networkView.findPaths(explained);
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
    const layers = this.networkView.layerViews.map((view) => (unit) => locate(view.canvas, view.getPosition(unit)));
    return [inputs, ...layers, () => subtract(this.probabilityView.getTarget(explained))];
  }

  locateInput(index, locate) {
    const { seen } = this.networkView;
    if (seen === null) {
      const { x, y } = locate(this.input.sliders[index].shown, { x: 1, y: 0.5 });
      const [top, bottom] = [0, 1].map((edge) => locate(this.input.table, { x: 0, y: edge }).y);
      return { x, y: Math.min(bottom, Math.max(top, y)) };
    }
    return locate(seen, this.networkView.locateInput(index));
  }

  /** Start to compute the occlusion map; a later change stops it. */
  startOcclusion(colors) {
    const isShown = findElement("show-occlusion")?.checked ?? false;
    findElement("occlusion-legend").hidden = !isShown;
    this.occlusion = null;
    const { explained = null, passes } = this.result ?? {};
    if (isShown && explained !== null) {
      const { shape, smallest } = this.settings;
      const { network } = this.members[this.shown];
      const { features, masks } = passes[this.shown];
      const computeScore = (values) => computeLogOdds(network, network.forward(values, masks), explained);
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
    this.networkView.showOcclusion(step.value, colors);
  }

  /** Return what other scripts may use. */
  makeInterface({ version, digest }, selfTest) {
    return {
      predict: (values) => this.predict(values),
      normalize: (imageData) => this.input.normalize(imageData),
      classes: this.classes,
      version,
      digest,
      selfTest,
    };
  }

  /** Return the probabilities for the pixels of an image from 0 to 255, or for features that are not images. */
  predict(values) {
    const { nFeatures } = this.members[0].network;
    if (values.length !== nFeatures) {
      const name = this.settings.kind === "drawing" ? "pixel" : "feature";
      throw new RangeError(`${name}s must have ${nFeatures} values, got ${values.length}. Pass one value per ${name}.`);
    }
    return this.computeResult(values).probabilities;
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

/** Decode the samples of a member for the self-test. */
async function decodeSamples({ network, samples }) {
  const values = new Float32Array(await decompressText(samples.features));
  const { nFeatures } = network;
  return samples.probabilities.map((probabilities, index) => ({
    network,
    features: values.subarray(index * nFeatures, (index + 1) * nFeatures),
    probabilities,
  }));
}

function showFailure(message) {
  const failure = findElement("failure");
  failure.textContent = message;
  failure.hidden = false;
}

async function startPage() {
  const description = JSON.parse(findElement("description").textContent);
  const members = await decodeMembers(description.members);
  const selfTest = runSelfTest((await Promise.all(members.map(decodeSamples))).flat());
  const difference = selfTest.largestDifference.toExponential(0);
  findElement("self-test").textContent =
    `${selfTest.passed ? "passed" : "failed"}: ${selfTest.nSamples} samples, probabilities within ${difference} of Python's`;
  if (!selfTest.passed) {
    showFailure(
      `The probabilities that this browser computes differ from Python's by up to ${difference}. Use another browser.`,
    );
  }
  const page = new Page(description, members);
  window.skmlp = page.makeInterface(description, selfTest);
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
