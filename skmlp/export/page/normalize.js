// Conversion of pictures to the format of MNIST, a port of skmlp/digits/normalize.py, which explains the constants.

import {
  computeRowMaxima,
  computeTotal,
  createGrid,
  cropGrid,
  findMaximum,
  getLongerSide,
  getPixel,
  padGrid,
  resizeGrid,
  roundHalfToEven,
  transposeGrid,
} from "./image_filters.js";
import { computeInk } from "./ink.js";
import { enlargeSmallPicture, mergeEqualPixels } from "./low_resolution.js";
import { checkSize, convertToGray } from "./picture.js";
import { sharpenEdges, thickenStrokes, thinStrokes } from "./strokes.js";

const BOX_SIZE = 20;
const IMAGE_SIZE = 28;
const STROKE_SCALE = 3;
const EDGE_LEVEL = 0.45;
const CENTER_TOLERANCE = 1e-4;

/**
 * Convert a picture of one digit to the format of MNIST.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} imageData - Pixels of a canvas.
 * @returns {Uint8Array} 28 x 28 pixels, row by row: 0 for the background, 255 for ink.
 * @throws {NoDigitError} If the picture is blank, or nothing in it differs clearly from noise.
 */
export function normalize(imageData) {
  const gray = enlargeSmallPicture(convertToGray(mergeEqualPixels(checkSize(imageData))));
  return centerInk(fitToBox(computeInk(gray)));
}

/** Crop the picture to its ink, adjust the strokes, and scale the longer side to 20 pixels. */
function fitToBox(picture) {
  const ink = cropToInk(picture);
  return getLongerSide(ink) === BOX_SIZE ? ink : scaleInk(adjustStrokes(ink), BOX_SIZE);
}

/** Thicken thin strokes, or sharpen blurred ones and thin thick ones. */
function adjustStrokes(ink) {
  const thickened = thickenStrokes(ink, getLongerSide(ink) / BOX_SIZE);
  if (thickened !== ink) {
    return thickened;
  }
  const scaled = scaleInk(ink, STROKE_SCALE * BOX_SIZE);
  const adjusted = thinStrokes(sharpenEdges(scaled, STROKE_SCALE), STROKE_SCALE);
  return adjusted === scaled ? ink : adjusted;
}

/** Scale ink so that its longer side is `length` pixels long, without a margin. */
function scaleInk(ink, length) {
  const padded = padGrid(ink, 1 + Math.floor(getLongerSide(ink) / BOX_SIZE));
  const extents = [padded, transposeGrid(padded)].map((grid) => findExtent(computeRowMaxima(grid)));
  const scale = Math.max(...extents.map(({ start, end }) => end - start)) / length;
  const [rows, columns] = extents.map(({ start, end }) => {
    const size = Math.max(1, roundHalfToEven((end - start) / scale));
    const middle = (start + end) / 2;
    return { start: middle - (size * scale) / 2, end: middle + (size * scale) / 2, size };
  });
  return resizeGrid(padded, rows, columns);
}

/** Remove rows and columns without ink around the digit. */
export function cropToInk(ink) {
  const [rows, columns] = [ink, transposeGrid(ink)].map((grid) => {
    const hasInk = computeRowMaxima(grid).map((value) => value > 0.05);
    return { start: hasInk.indexOf(true), end: hasInk.lastIndexOf(true) + 1 };
  });
  return cropGrid(ink, rows.start, columns.start, rows.end, columns.end);
}

/** Return where a profile, the maxima of rows or columns, first and last crosses the edge level, interpolated. */
function findExtent(profile) {
  const isInside = profile.map((value) => value > EDGE_LEVEL);
  const [first, last] = [isInside.indexOf(true), isInside.lastIndexOf(true)];
  const interpolate = (outer, inner) => (EDGE_LEVEL - profile[outer]) / (profile[inner] - profile[outer]);
  return { start: first - 0.5 + interpolate(first - 1, first), end: last + 1.5 - interpolate(last + 1, last) };
}

/** Place ink of at most 20 x 20 pixels in an image of 28 x 28 pixels, with its center of mass in the center. */
function centerInk(ink) {
  const [top, left] = [ink, transposeGrid(ink)].map(findCorner);
  const scale = Math.fround(255 / findMaximum(ink.values));
  const getScaled = (row, column) => Math.fround(getPixel(ink, row - top, column - left) * scale);
  const compute = (row, column) => roundHalfToEven(getScaled(row, column));
  return Uint8Array.from(createGrid(IMAGE_SIZE, IMAGE_SIZE, compute).values);
}

/** Return the row at which ink must start so that its center of mass is in the center. */
function findCorner({ values, height, width }) {
  const moment = values.reduce((sum, value, pixel) => sum + value * Math.floor(pixel / width), 0);
  const start = roundHalfToEven(IMAGE_SIZE / 2 - moment / computeTotal(values) - CENTER_TOLERANCE);
  return Math.min(Math.max(start, 0), IMAGE_SIZE - height);
}
