/** Random perturbations that show how robust the network is: noise in the image, and units that are switched off. */

/**
 * Return a generator of random numbers from 0 to 1 (mulberry32).
 *
 * @param {number} seed
 * @returns {() => number}
 */
export function makeRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Add Gaussian noise to pixels, and clip them to their range.
 *
 * @param {ArrayLike<number>} pixels
 * @param {number} standardDeviation in the unit of the pixels
 * @param {number} smallest lower limit of the pixels
 * @param {number} largest upper limit of the pixels
 * @param {number} seed
 * @returns {Float32Array}
 */
export function addNoise(pixels, standardDeviation, smallest, largest, seed) {
  const noisy = Float32Array.from(pixels);
  if (standardDeviation === 0) {
    return noisy;
  }
  const random = makeRandom(seed);
  return noisy.map((pixel) => {
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return Math.min(largest, Math.max(smallest, pixel + standardDeviation * normal));
  });
}

/**
 * Return a factor for each hidden unit: 0 for a random fraction of them, and 1 / (1 - fraction) for the others.
 *
 * The remaining units are scaled as in dropout, so that the mean of the next layer's input stays the same.
 *
 * @param {number[]} sizes number of units of each hidden layer
 * @param {number} fraction from 0 to less than 1
 * @param {number} seed
 * @returns {Float32Array[] | null} null if no unit is dropped
 */
export function makeDropMasks(sizes, fraction, seed) {
  if (fraction === 0) {
    return null;
  }
  const random = makeRandom(seed);
  return sizes.map((size) => Float32Array.from({ length: size }, () => (random() < fraction ? 0 : 1 / (1 - fraction))));
}
