/** The network and its forward pass, with sums in float64 and results in float32. */

import { GradientInputs } from "./gradients.js";

/**
 * Fully connected layer, a = f(W x + b), with fanOut rows of fanIn weights.
 *
 * @typedef {{fanIn: number, fanOut: number, activation: string,
 *            weights: Float32Array, biases: Float32Array}} DenseLayer
 */

const LEAKY_SLOPE = 0.01;
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
const NORMAL_TAIL_START = 3;
const NORMAL_TAIL_TERMS = 20;
// Without the special characters of HTML and of JavaScript strings.
const BASE85_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#,%.()*+-;:=[?@^_]{|}~";

const ACTIVATION_FUNCTIONS = {
  identity: (z) => z,
  logistic: computeLogistic,
  tanh: Math.tanh,
  relu: (z) => Math.max(z, 0),
  leaky_relu: (z) => Math.max(z, LEAKY_SLOPE * z),
  elu: (z) => (z > 0 ? z : Math.expm1(z)),
  selu: (z) => SELU_SCALE * (z > 0 ? z : SELU_ALPHA * Math.expm1(z)),
  gelu: (z) => z * computeNormalCdf(z),
  silu: (z) => z * computeLogistic(z),
  softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
};

const PROBABILITY_FUNCTIONS = {
  softmax: computeSoftmax,
  logistic: (logits) => Array.from(logits, computeLogistic),
  single_class: () => [1],
};

const WEIGHT_READERS = {
  float32: (buffer, start) => new Float32Array(buffer, start),
  float16: (buffer, start) => new Float32Array(new Uint16Array(buffer, start)).map(decodeFloat16),
  int8: (buffer, start) => new Int8Array(buffer, start),
};

function computeLogistic(z) {
  return 1 / (1 + Math.exp(-z));
}

function computeSoftmax(logits) {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (z) => Math.exp(z - largest));
  const sum = exponentials.reduce((total, value) => total + value);
  return exponentials.map((value) => value / sum);
}

/**
 * Compute the standard normal cumulative distribution function Phi, accurate also for very negative z.
 *
 * Phi(z) = 1/2 + phi(z) (z + z^3 / 3 + z^5 / (3 5) + ...), where phi is the density. If |z| is large,
 * Phi(-|z|) = phi(z) / (|z| + 1 / (|z| + 2 / (|z| + ...))).
 */
function computeNormalCdf(z) {
  const size = Math.abs(z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (size < NORMAL_TAIL_START) {
    let sum = 0;
    for (let term = z, n = 3; sum + term !== sum; term *= (z * z) / n, n += 2) {
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let denominator = size;
  for (let n = NORMAL_TAIL_TERMS; n > 0; n--) {
    denominator = size + n / denominator;
  }
  const tail = density / denominator;
  return z < 0 ? tail : 1 - tail;
}

/** Return a promise of the Network of a description by `describe_network` in Python. */
export async function decodeNetwork(description) {
  const buffer = await decompressText(description.data);
  const nUnits = description.layers.reduce((total, layer) => total + layer.fanOut, 0);
  const numbers = new Float32Array(buffer, 0, 2 * nUnits); // biases and scales of each layer
  const values = WEIGHT_READERS[description.weights](buffer, numbers.byteLength);
  let number = 0;
  let value = 0;
  const layers = description.layers.map((layer) => {
    const { fanIn, fanOut } = layer;
    const biases = numbers.slice(number, number + fanOut);
    const scales = numbers.subarray(number + fanOut, number + 2 * fanOut);
    const columns = values.subarray(value, value + fanOut * fanIn);
    number += 2 * fanOut;
    value += fanOut * fanIn;
    return { ...layer, weights: restoreWeights(columns, scales), biases };
  });
  return new Network(layers, description);
}

/**
 * Return the bytes of a text by `encode_text` in Python.
 *
 * @param {string} text
 * @returns {Promise<ArrayBuffer>}
 */
export function decompressText(text) {
  const stream = new Blob([decodeBase85(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Decode text to bytes. Five digits represent four bytes. */
function decodeBase85(text) {
  const digitValues = new Uint8Array(128);
  Array.from(BASE85_DIGITS).forEach((digit, value) => {
    digitValues[digit.charCodeAt(0)] = value;
  });
  const view = new DataView(new ArrayBuffer(4 * Math.ceil(text.length / 5)));
  for (let group = 0; 5 * group < text.length; group++) {
    let number = 0;
    for (let i = 5 * group; i < 5 * group + 5; i++) {
      number = 85 * number + (i < text.length ? digitValues[text.charCodeAt(i)] : 84);
    }
    view.setUint32(4 * group, number);
  }
  return view.buffer.slice(0, Math.floor((4 * text.length) / 5));
}

/** Decode the bits of a float16: sign, exponent, fraction. */
function decodeFloat16(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

/** Multiply values in column order by the scales of the rows. */
function restoreWeights(columns, scales) {
  const fanOut = scales.length;
  const fanIn = columns.length / fanOut;
  const weights = new Float32Array(columns.length);
  for (let row = 0; row < fanOut; row++) {
    for (let column = 0; column < fanIn; column++) {
      weights[row * fanIn + column] = scales[row] * columns[column * fanOut + row];
    }
  }
  return weights;
}

export class Network {
  /** @param {DenseLayer[]} layers */
  constructor(layers, { outActivation, multilabel, imageFeatures }) {
    this.layers = layers;
    this.gradients = imageFeatures ? new GradientInputs(imageFeatures) : null;
    this.outActivation = outActivation;
    this.multilabel = multilabel;
  }

  get nFeatures() {
    return this.gradients?.nPixels ?? this.layers[0].fanIn;
  }

  get hiddenSizes() {
    return this.layers.slice(0, -1).map(({ fanOut }) => fanOut);
  }

  /**
   * Compute the inputs and the activations of the hidden layers, the logits and the probability of each class or label.
   *
   * The inputs are the features, or computed from these.
   *
   * @param {ArrayLike<number>} features
   * @param {?Array<?ArrayLike<number>>} masks factors of the units of each hidden layer
   * @returns {{inputs: ArrayLike<number>, hidden: Float32Array[], logits: Float32Array, probabilities: Float32Array}}
   */
  forward(features, masks = null) {
    const inputs = this.gradients?.compute(features) ?? features;
    const hidden = [];
    let values = inputs;
    for (const layer of this.layers.slice(0, -1)) {
      const mask = masks?.[hidden.length];
      values = computeActivations(layer, values);
      values = mask ? values.map((value, unit) => value * mask[unit]) : values;
      hidden.push(values);
    }
    const logits = computeActivations(this.layers.at(-1), values);
    return { inputs, hidden, logits, probabilities: this.computeProbabilities(logits) };
  }

  computeProbabilities(logits) {
    const isBinary = this.outActivation === "logistic" && !this.multilabel;
    const expanded = isBinary ? [-logits[0], logits[0]] : logits;
    return Float32Array.from(PROBABILITY_FUNCTIONS[this.outActivation](expanded));
  }

  /** Return the index of the most probable class in an array, or the indices of the predicted labels if multilabel. */
  predict(probabilities) {
    if (this.multilabel) {
      return Array.from(probabilities.keys()).filter((label) => probabilities[label] > 0.5);
    }
    return [probabilities.indexOf(Math.max(...probabilities))];
  }
}

/** Compute f(W x + b) of a layer. */
function computeActivations({ weights, biases, fanIn, fanOut, activation }, inputs) {
  const [positions, nonzero] = selectNonzero(inputs);
  const sums = new Float64Array(fanOut);
  for (let unit = 0; unit < fanOut; unit += 4) {
    // Four rows at a time are faster. At the end, rows repeat without effect.
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => fanIn * Math.min(unit + i, fanOut - 1));
    let [sumA, sumB, sumC, sumD] = [0, 0, 0, 0];
    for (let i = 0; i < nonzero.length; i++) {
      const position = positions[i];
      const value = nonzero[i];
      sumA += weights[a + position] * value;
      sumB += weights[b + position] * value;
      sumC += weights[c + position] * value;
      sumD += weights[d + position] * value;
    }
    [sums[unit], sums[unit + 1], sums[unit + 2], sums[unit + 3]] = [sumA, sumB, sumC, sumD];
  }
  const apply = ACTIVATION_FUNCTIONS[activation];
  return Float32Array.from(sums, (sum, unit) => apply(sum + biases[unit]));
}

/** Return the positions and values of the nonzero inputs. Most pixels are zero. */
function selectNonzero(inputs) {
  const positions = new Uint32Array(inputs.length);
  const nonzero = new Float64Array(inputs.length);
  let n = 0;
  for (let i = 0; i < inputs.length; i++) {
    if (inputs[i] !== 0) {
      positions[n] = i;
      nonzero[n++] = inputs[i];
    }
  }
  return [positions.subarray(0, n), nonzero.subarray(0, n)];
}
