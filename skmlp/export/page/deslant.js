/** Removal of the slant of digits, a port of skmlp/digits/deslant.py for pixels that are integers. */

import { roundHalfToEven } from "./image_filters.js";

const STEPS_PER_PIXEL = 256;

/**
 * Shear an image so that the horizontal and the vertical position of the ink are uncorrelated.
 *
 * @param {ArrayLike<number>} pixels integers, row by row
 * @param {[number, number]} shape height and width
 * @param {number} maxShear maximum shift per row, in pixels
 * @returns {Float32Array}
 */
export function deslant(pixels, [height, width], maxShear) {
  const upright = new Float32Array(height * width);
  computeShifts(pixels, [height, width], maxShear).forEach((shift, row) => {
    const whole = Math.floor(shift);
    const fraction = shift - whole;
    const readPixel = (column) => (column >= 0 && column < width ? pixels[row * width + column] : 0);
    for (let column = 0; column < width; column++) {
      const first = readPixel(column + whole);
      const second = readPixel(column + whole + 1);
      upright[row * width + column] = Math.floor(first + fraction * (second - first) + 0.5);
    }
  });
  return upright;
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
  return distances.map(
    (distance) => roundHalfToEven(limited * (distance / (total || 1)) * STEPS_PER_PIXEL) / STEPS_PER_PIXEL,
  );
}
