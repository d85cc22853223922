/** Removal of the slant of digits, a port of skmlp/digits/deslant.py and spread.py for pixels that are integers. */

import { roundHalfToEven } from "./image_filters.js";

// These constants are explained in moments.py and spread.py.
const STEPS_PER_PIXEL = 256;
const MIN_STEP = 0.5;
const MAX_STEP = 1.5;

/**
 * Shear an image so that the horizontal and the vertical position of the ink are uncorrelated, and scale it.
 *
 * @param {ArrayLike<number>} pixels integers, row by row
 * @param {[number, number]} shape height and width
 * @param {object} parameters
 * @param {number} parameters.maxShear maximum shift per row, in pixels
 * @param {[?number, ?number]} parameters.spread standard deviation of the rows and the columns; null to keep the size
 * @returns {Float32Array}
 */
export function deslant(pixels, shape, { maxShear, spread }) {
  const [height, width] = shape;
  const [vertical, horizontal] = spread;
  const shifts = computeShifts(pixels, shape, maxShear);
  const rows = { nLines: height, length: width, lineStep: width, step: 1 };
  const columns = { nLines: width, length: height, lineStep: 1, step: width };
  const upright = sampleLines(pixels, rows, (column, row) => column + shifts[row]);
  return scaleLines(scaleLines(upright, rows, horizontal), columns, vertical);
}

/**
 * Scale and center an image along its lines, which are rows or columns.
 *
 * @param {Float32Array} pixels
 * @param {{ nLines: number, length: number, lineStep: number, step: number }} lines their number and length, and how far
 *     lines, and neighbors in a line, are apart in the array
 * @param {?number} spread null to keep the size and the position
 */
function scaleLines(pixels, lines, spread) {
  const { length, step } = lines;
  const locate = (index) => Math.floor(index / step) % length;
  const sumPixels = (power) => pixels.reduce((sum, pixel, index) => sum + pixel * locate(index) ** power, 0);
  const [ink, moment, square] = [0, 1, 2].map(sumPixels);
  if (spread === null || ink === 0) {
    return pixels;
  }
  const deviation = Math.sqrt((ink * square - moment * moment) / (ink * ink));
  const distance = roundToSteps(Math.min(Math.max(deviation / (spread * length), MIN_STEP), MAX_STEP));
  const center = roundToSteps(moment / ink);
  return sampleLines(pixels, lines, (position) => center + distance * (position - (length - 1) / 2));
}

/** Interpolate an image along its lines, at the positions that a function of the position and the line returns. */
function sampleLines(pixels, { nLines, length, lineStep, step }, computePosition) {
  const sampled = new Float32Array(pixels.length);
  for (let line = 0; line < nLines; line++) {
    const readPixel = (index) => (index >= 0 && index < length ? pixels[line * lineStep + index * step] : 0);
    for (let index = 0; index < length; index++) {
      const position = computePosition(index, line);
      const whole = Math.floor(position);
      const first = readPixel(whole);
      const difference = readPixel(whole + 1) - first;
      sampled[line * lineStep + index * step] = Math.floor(first + (position - whole) * difference + 0.5);
    }
  }
  return sampled;
}

function roundToSteps(value) {
  return roundHalfToEven(value * STEPS_PER_PIXEL) / STEPS_PER_PIXEL;
}

/** Return how far to the right each row must be sampled, in pixels. */
function computeShifts(pixels, [height, width], maxShear) {
  const rowInk = new Float64Array(height);
  const columnMoments = new Float64Array(height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const ink = Math.abs(pixels[row * width + column]);
      rowInk[row] += ink;
      columnMoments[row] += column * ink;
    }
  }
  const sumRows = (compute) => rowInk.reduce((sum, ink, row) => sum + compute(ink, row), 0);
  const total = sumRows((ink) => ink);
  const rowMoment = sumRows((ink, row) => row * ink);
  // Distances from the mean row, the variance and the covariance, multiplied by powers of the total: sums of integers,
  // which are exact.
  const distances = Array.from(rowInk, (_, row) => row * total - rowMoment);
  const variance = sumRows((ink, row) => ink * row * distances[row]);
  const covariance = sumRows((_, row) => columnMoments[row] * distances[row]);
  const shear = variance > 0 ? covariance / variance : 0;
  const limited = Math.min(Math.max(shear, -maxShear), maxShear);
  return distances.map((distance) => roundToSteps(limited * (distance / (total || 1))));
}
