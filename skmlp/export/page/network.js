/** The exported network: decoding of its numbers and the forward pass, with sums in float64 and results in float32. */

/**
 * Fully connected layer, a = f(W x + b).
 *
 * @typedef {object} DenseLayer
 * @property {number} fanIn
 * @property {number} fanOut
 * @property {string} activation Name of f, a key of ACTIVATION_FUNCTIONS.
 * @property {Float32Array} weights W, fanOut rows of fanIn numbers.
 * @property {Float32Array} biases
 */

/**
 * Results of a forward pass.
 *
 * @typedef {object} ForwardPass
 * @property {Float32Array[]} hidden Activations of each hidden layer.
 * @property {Float32Array} logits One per class or label, but a single one for two classes.
 * @property {Float32Array} probabilities One per class or label.
 */

const LEAKY_RELU_SLOPE = 0.01;
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;
const NORMAL_TAIL_START = 3;
const NORMAL_TAIL_TERMS = 60;

/** Activation functions by name. */
const ACTIVATION_FUNCTIONS = {
  identity: (z) => z,
  logistic: computeLogistic,
  tanh: Math.tanh,
  relu: (z) => Math.max(z, 0),
  leaky_relu: (z) => Math.max(z, LEAKY_RELU_SLOPE * z),
  elu: (z) => (z > 0 ? z : Math.expm1(z)),
  selu: (z) => SELU_SCALE * (z > 0 ? z : SELU_ALPHA * Math.expm1(z)),
  gelu: (z) => z * computeNormalCdf(z),
  silu: (z) => z * computeLogistic(z),
  softplus: (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))),
};

/** Functions from logits to probabilities by name of the output activation. */
const PROBABILITY_FUNCTIONS = {
  softmax: computeSoftmax,
  logistic: (logits) => Array.from(logits, computeLogistic),
  single_class: () => [1],
};

/** Functions that return the stored values at an offset by the format of the weights. */
const VALUE_READERS = {
  float32: (buffer, offset) => new Float32Array(buffer, offset),
  float16: (buffer, offset) => Float32Array.from(new Uint16Array(buffer, offset), decodeFloat16),
  int8: (buffer, offset) => new Int8Array(buffer, offset),
};

/** Compute 1 / (1 + exp(-z)). */
function computeLogistic(z) {
  return 1 / (1 + Math.exp(-z));
}

/**
 * Compute the standard normal cumulative distribution function, with a small relative error also for negative z.
 *
 * For small |z|, the series Phi(z) = 1/2 + phi(z) (z + z^3 / 3 + z^5 / (3 5) + ...). For large |z|, the continued
 * fraction Phi(-|z|) = phi(z) / (|z| + 1 / (|z| + 2 / (|z| + ...))). phi is the density.
 */
function computeNormalCdf(z) {
  const size = Math.abs(z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (size < NORMAL_TAIL_START) {
    let sum = 0;
    for (let term = z, n = 1; sum + term !== sum; n += 2, term *= (z * z) / n) {
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

/** Compute exp(z) / sum(exp(z)). */
function computeSoftmax(logits) {
  const largest = Math.max(...logits);
  const exponentials = Array.from(logits, (z) => Math.exp(z - largest));
  const sum = exponentials.reduce((total, value) => total + value);
  return exponentials.map((value) => value / sum);
}

/**
 * Return the network of a description, which Python's describe_network has written.
 *
 * @param {object} description
 * @returns {Promise<Network>}
 */
export async function decodeNetwork(description) {
  const buffer = await decompressText(description.data);
  const nUnits = description.layers.reduce((total, layer) => total + layer.fanOut, 0);
  const numbers = new Float32Array(buffer, 0, 2 * nUnits); // biases and scales of each layer
  const values = VALUE_READERS[description.weights](buffer, numbers.byteLength);
  let nextNumber = 0;
  let nextValue = 0;
  const layers = description.layers.map((layer) => {
    const biases = numbers.slice(nextNumber, (nextNumber += layer.fanOut));
    const scales = numbers.subarray(nextNumber, (nextNumber += layer.fanOut));
    const layerValues = values.subarray(nextValue, (nextValue += layer.fanOut * layer.fanIn));
    return { ...layer, weights: restoreWeights(layerValues, scales), biases };
  });
  return new Network(layers, description);
}

/**
 * Return the bytes of a text, which were compressed with zlib and encoded in base64.
 *
 * @param {string} text
 * @returns {Promise<ArrayBuffer>}
 */
function decompressText(text) {
  const compressed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([compressed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** Return the number that the bits of a float16 represent: sign, 5 bits of exponent, 10 bits of fraction. */
function decodeFloat16(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits >> 15 ? -size : size;
}

/** Multiply each row of values by its scale. */
function restoreWeights(values, scales) {
  const weights = new Float32Array(values.length);
  const fanIn = values.length / scales.length;
  scales.forEach((scale, row) => {
    for (let i = row * fanIn; i < (row + 1) * fanIn; i++) {
      weights[i] = scale * values[i];
    }
  });
  return weights;
}

export class Network {
  /**
   * @param {DenseLayer[]} layers
   * @param {{outActivation: string, multilabel: boolean, classes: Array}} outputs
   */
  constructor(layers, { outActivation, multilabel, classes }) {
    this.layers = layers;
    this.outActivation = outActivation;
    this.multilabel = multilabel;
    this.classes = classes;
  }

  /**
   * Compute the activations of all layers for one sample.
   *
   * @param {ArrayLike<number>} features
   * @param {?Array<?ArrayLike<number>>} masks Factors of the units of each hidden layer; null for a layer without.
   * @returns {ForwardPass}
   */
  forward(features, masks = null) {
    const hidden = [];
    let values = features;
    for (const layer of this.layers.slice(0, -1)) {
      const mask = masks?.[hidden.length];
      values = computeActivations(layer, values);
      if (mask) {
        values = values.map((value, unit) => value * mask[unit]);
      }
      hidden.push(values);
    }
    const logits = computeActivations(this.layers.at(-1), values);
    return { hidden, logits, probabilities: this.computeProbabilities(logits) };
  }

  /**
   * Compute the probability of each class or label.
   *
   * @param {Float32Array} logits
   * @returns {Float32Array}
   */
  computeProbabilities(logits) {
    const isBinary = this.outActivation === "logistic" && !this.multilabel;
    const allLogits = isBinary ? [-logits[0], logits[0]] : logits;
    return Float32Array.from(PROBABILITY_FUNCTIONS[this.outActivation](allLogits));
  }

  /**
   * Return the indices of the predicted labels: the most probable class or, if multilabel, any number of labels.
   *
   * @param {Float32Array} probabilities
   * @returns {number[]}
   */
  predict(probabilities) {
    if (this.multilabel) {
      return Array.from(probabilities.keys()).filter((label) => probabilities[label] > 0.5);
    }
    return [probabilities.indexOf(Math.max(...probabilities))];
  }
}

/** Compute f(W x + b) of a layer, without the inputs that are zero: most pixels, and many ReLU units. */
function computeActivations({ weights, biases, fanIn, fanOut, activation }, inputs) {
  const positions = Uint32Array.from(inputs.keys()).filter((position) => inputs[position] !== 0);
  const nonzero = Float64Array.from(positions, (position) => inputs[position]);
  const apply = ACTIVATION_FUNCTIONS[activation];
  const outputs = new Float32Array(fanOut);
  for (let unit = 0; unit < fanOut; unit++) {
    const row = unit * fanIn;
    let sum = biases[unit];
    for (let i = 0; i < nonzero.length; i++) {
      sum += weights[row + positions[i]] * nonzero[i];
    }
    outputs[unit] = apply(sum);
  }
  return outputs;
}
