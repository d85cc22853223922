/** Explanations of a prediction: the strongest paths through the network, and the parts of the image that matter. */

/** Largest number of edges of a layer; more would cover the units. */
const MAX_EDGES = 12;

/**
 * @typedef {object} PathEdge
 * @property {number} layer index of the dense layer that the edge belongs to
 * @property {number} from index of the input or unit before the layer
 * @property {number} to index of the unit after the layer
 * @property {number} strength contribution relative to the largest one of the layer, from 0 to 1
 */

/**
 * Find the units that contribute most to a class, layer by layer from the output to the input.
 *
 * The contribution of an edge is the activation before it times its weight: the logit of a class is the sum of the
 * contributions and the bias.
 *
 * @param {Network} network
 * @param {ArrayLike<number>} inputs of the first layer
 * @param {Float32Array[]} hidden activations of each hidden layer
 * @param {number} output index of the output unit
 * @param {number} sign 1, or -1 to find what reduces the output
 * @param {number} nEdges number of edges into each unit
 * @returns {PathEdge[]}
 */
export function findStrongestPaths(network, inputs, hidden, output, sign = 1, nEdges = 3) {
  const edges = [];
  let targets = [{ unit: output, sign }];
  for (let layer = network.layers.length - 1; layer >= 0; layer--) {
    const activations = layer === 0 ? inputs : hidden[layer - 1];
    const found = targets.flatMap((target) =>
      findLargestContributions(network.layers[layer], activations, target, layer === 0 ? 2 * nEdges : nEdges),
    );
    found.sort((first, second) => second.contribution - first.contribution);
    found.length = Math.min(found.length, MAX_EDGES);
    for (const { from, to, contribution } of found) {
      edges.push({ layer, from, to, strength: contribution / found[0].contribution });
    }
    // An activation can be negative: then the path continues with what makes it so.
    const signs = new Map(found.map(({ from }) => [from, activations[from] < 0 ? -1 : 1]));
    targets = [...signs].map(([unit, unitSign]) => ({ unit, sign: unitSign }));
  }
  return edges;
}

/** Return the edges with the largest positive contributions to a unit, in descending order. */
function findLargestContributions(layer, activations, { unit, sign }, count) {
  const row = unit * layer.fanIn;
  const edges = [];
  for (let from = 0; from < layer.fanIn; from++) {
    const contribution = sign * activations[from] * layer.weights[row + from];
    if (contribution > 0 && (edges.length < count || contribution > edges.at(-1).contribution)) {
      edges.push({ from, to: unit, contribution });
      edges.sort((first, second) => second.contribution - first.contribution);
      edges.length = Math.min(edges.length, count);
    }
  }
  return edges;
}

/**
 * Measure how much the score of a class decreases if a part of the image is covered by background.
 *
 * The patch is moved over the image in steps of half its side. The value of a pixel is the mean decrease over all
 * patches that contain it. The generator yields after each prediction, so that the page can stay responsive.
 *
 * @param {(features: Float32Array) => number} computeScore for example the log-odds of the class
 * @param {Float32Array} features
 * @param {[number, number]} shape height and width
 * @param {number} background value of the pixels without ink
 * @param {number} size side of the patch in pixels
 * @returns {Generator<void, Float32Array>} returns values that are positive where the image supports the class
 */
export function* computeOcclusionMap(computeScore, features, [height, width], background, size) {
  const complete = computeScore(features);
  const sums = new Float32Array(features.length);
  const counts = new Float32Array(features.length);
  const step = Math.max(1, size >> 1);
  for (let top = step - size; top < height; top += step) {
    for (let left = step - size; left < width; left += step) {
      const patch = listPatchPixels(top, left, size, height, width);
      const covered = Float32Array.from(features);
      for (const pixel of patch) {
        covered[pixel] = background;
        counts[pixel] += 1;
      }
      if (patch.some((pixel) => features[pixel] !== background)) {
        const decrease = complete - computeScore(covered);
        for (const pixel of patch) {
          sums[pixel] += decrease;
        }
        yield;
      }
    }
  }
  return sums.map((sum, pixel) => sum / counts[pixel]);
}

/**
 * Return log(p / (1 - p)) of a class, from the logits, which do not round to 1 as probabilities do.
 *
 * @param {Network} network
 * @param {ForwardPass} pass
 * @param {number} classIndex
 * @returns {number}
 */
export function computeLogOdds(network, { logits }, classIndex) {
  if (network.outActivation !== "softmax") {
    const isFirstOfTwo = !network.multilabel && classIndex === 0;
    return network.multilabel ? logits[classIndex] : isFirstOfTwo ? -logits[0] : logits[0];
  }
  const others = logits.filter((_, index) => index !== classIndex);
  const largest = Math.max(...others);
  const sum = others.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return logits[classIndex] - largest - Math.log(sum);
}

/** Return the indices of the pixels of a square patch that are in the image. */
function listPatchPixels(top, left, size, height, width) {
  const pixels = [];
  for (let row = Math.max(0, top); row < Math.min(height, top + size); row++) {
    for (let column = Math.max(0, left); column < Math.min(width, left + size); column++) {
      pixels.push(row * width + column);
    }
  }
  return pixels;
}
