// Adjustment of the strokes of a digit, a port of skmlp/digits/strokes.py, which explains the constants.

import {
  computeDistance,
  computeMean,
  computeTotal,
  createGrid,
  erodeMask,
  findLocalMaxima,
  findMaximum,
  getPixel,
  mapGrid,
  padGrid,
} from "./image_filters.js";

const MIN_MEAN_STROKE_WIDTH = 1.7;
const MAX_MEAN_STROKE_WIDTH = 3.3;
const MAX_EDGE_WIDTH = 1.7;
const THINNING = 0.7;
const MAX_SHARPENING = 4;
const PIVOT = 0.6;

/**
 * Make blurred edges of strokes as sharp as those of MNIST.
 * @param {import("./image_filters.js").Grid} ink - The fraction of each pixel that is covered by ink.
 * @param {number} pixel - Size of a pixel of MNIST, in pixels of `ink`.
 * @returns {import("./image_filters.js").Grid} `ink` itself if its edges are sharp.
 */
export function sharpenEdges(ink, pixel) {
  const slope = Math.min(measureEdgeWidth(ink) / (MAX_EDGE_WIDTH * pixel), MAX_SHARPENING);
  return slope <= 1 ? ink : mapGrid(ink, (value) => Math.min(Math.max(PIVOT + slope * (value - PIVOT), 0), 1));
}

/** Thin strokes that are thicker than most of MNIST, by a gray-level erosion, with the parameters of `sharpenEdges`. */
export function thinStrokes(ink, pixel) {
  const radius = (THINNING * (measureMeanStrokeWidth(createMask(ink)) - MAX_MEAN_STROKE_WIDTH * pixel)) / 2;
  if (radius <= 0) {
    return ink;
  }
  const fraction = radius % 1;
  const [larger, smaller] = [1, 0].map((added) => erodeInk(ink, Math.floor(radius) + added).values);
  const eroded = mapGrid(ink, (_, pixel) => (1 - fraction) * smaller[pixel] + fraction * larger[pixel]);
  const maximum = findMaximum(eroded.values);
  return maximum > 0 ? mapGrid(eroded, (value) => value / maximum) : ink;
}

/** Return the minimum of the ink in a circle around each pixel. There is no ink outside of the picture. */
function erodeInk(ink, radius) {
  const offsets = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
  const circle = offsets
    .flatMap((row) => offsets.map((column) => [row, column]))
    .filter(([row, column]) => Math.hypot(row, column) <= radius);
  return createGrid(ink.height, ink.width, (row, column) =>
    circle.reduce((minimum, [down, right]) => Math.min(minimum, getPixel(ink, row + down, column + right)), Infinity),
  );
}

/** Thicken strokes that are thinner than those of MNIST, with the parameters of `sharpenEdges`. */
export function thickenStrokes(ink, pixel) {
  const mask = padGrid(createMask(ink), 1);
  const strokeWidth = (2 * computeTotal(mask.values)) / measureOutline(mask);
  const radius = (MIN_MEAN_STROKE_WIDTH * pixel - strokeWidth) / 2;
  if (radius <= 0) {
    return ink;
  }
  const padded = padGrid(ink, Math.ceil(radius));
  const distance = computeDistance(mapGrid(padded, (value) => value <= 0.5)).values;
  const reach = Math.fround(radius + 0.5);
  const getInk = (pixel) => Math.min(reach - distance[pixel], 1); // with anti-aliased edges
  return mapGrid(padded, (value, pixel) => Math.max(value, getInk(pixel)));
}

function createMask(ink) {
  return mapGrid(ink, (value) => value > 0.5);
}

/** Return the mean diameter of the circles around the center lines of strokes. */
function measureMeanStrokeWidth(mask) {
  return 2 * computeMean(findLocalMaxima(computeDistance(padGrid(mask, 1)))) - 0.5;
}

/** Return the mean width of the edges of strokes, on which the ink increases from 0 to 1. */
function measureEdgeWidth(ink) {
  const total = computeTotal(ink.values.map((value) => value * (1 - value)));
  return (6 * total) / measureOutline(padGrid(createMask(ink), 1));
}

/** Return the number of pixels of a mask next to pixels outside of it. */
function measureOutline(mask) {
  return computeTotal(mask.values) - computeTotal(erodeMask(mask).values);
}
