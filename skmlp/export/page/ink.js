// Separation of the ink of a digit from the background, a port of the methods of skmlp/digits/ink.py, page.py and crop.py
// for drawings. What is only in photos is not ported: shadows with edges, tables, blots and printed frames.

import {
  computeDistance,
  computeMean,
  computeMedian,
  computeOtsuThreshold,
  computeTotal,
  createGrid,
  dilateMask,
  erodeMask,
  filterGaussian,
  findLocalMaxima,
  findMaximum,
  findMinimum,
  getLongerSide,
  invertMask,
  labelComponents,
  mapGrid,
  padGrid,
  roundHalfToEven,
  transposeGrid,
  upsampleGrid,
} from "./image_filters.js";
import { NoDigitError } from "./picture.js";

/**
 * Difference between a picture and its background, positive for ink, with the value of ink.
 * @typedef {import("./image_filters.js").Grid} Grid
 * @typedef {{values: Grid, smoothed: Grid, ink: number, noise: number}} Contrast
 */

// These constants are explained in ink.py, joining.py, crop.py and contrast.py.
const MIN_CONTRAST = 0.02;
const MIN_NEIGHBOR_CORRELATION = 0.33;
const MIN_EXPLAINED_VARIANCE = 0.76;
const MAX_DISSIMILARITY = 1;
const MAX_STROKE_WIDTH = 0.7;
const MIN_EXPLAINED_VARIANCE_BLURRED = 0.68;
const MIN_DISSIMILARITY_RATIO_BLURRED = 1.7;
const MAX_STROKE_WIDTH_BLURRED = 0.45;
const MIN_BACKGROUND_FRACTION = 0.15;
const MAX_EXTRAPOLATION = 0.5;
const MIN_SHEET_WIDTH = 0.3;
const MIN_SHEET_TO_STROKE_RATIO = 3;
const MIN_DIGIT_HEIGHT_ON_SHEET = 0.15;
const PALE = 0.2;
const MIN_COMPONENT_AREA = 0.08;
const MIN_PIECE_AREA = 0.01;
const MAX_PIECE_GAP = 0.06;
const NOISE_DISTANCE = 0.03;
const UPSAMPLED_SIZE = 60;
const R2_STEPS = [0.7548776662466927, 0.5698402909980532];

/**
 * Compute the fraction of each pixel that is covered by ink.
 * @param {Grid} picture - Brightness in any unit.
 * @returns {Grid}
 */
export function computeInk(picture) {
  const brightest = findMaximum(picture.values) || 1;
  const gray = mapGrid(picture, (value) => value / brightest);
  const minCorrelation = Math.min(MIN_NEIGHBOR_CORRELATION, 4 / Math.sqrt(gray.values.length));
  const page = computeNeighborCorrelation(gray) < minCorrelation ? null : computePageContrast(gray);
  const digitMask = page && segmentDigitOnPage(mapGrid(page.smoothed, (value) => value / page.ink));
  if (!page || touchesBorder(createInkMask(page))) {
    const crop = computeCropContrast(gray);
    if (crop && !isDigitOnSheet(digitMask, createInkMask(crop))) {
      return normalizeContrast(crop, segmentDigitWithoutMargin(crop));
    }
  }
  if (page) {
    return normalizeContrast(page, digitMask);
  }
  throw new NoDigitError(
    "picture must show a digit that is clearly darker or lighter than the background, got a picture without one. " +
      "Increase the contrast, or crop the picture to the digit.",
  );
}

/** Return the mask of the pixels of which more than half is covered by ink. */
function createInkMask({ smoothed, ink }) {
  return mapGrid(smoothed, (value) => value > 0.5 * ink);
}

/** Scale the contrast to 0 for the background and 1 for ink, and remove everything outside of the digit. */
function normalizeContrast({ values, ink, noise }, digitMask) {
  const lower = Math.min(Math.max(2 * noise, 0.02 * ink), 0.33 * ink);
  const [start, range] = [lower, ink - lower].map(Math.fround);
  const dilated = dilateMask(dilateMask(digitMask)).values;
  const scale = (value) => Math.min(Math.max(Math.fround(value - start) / range, 0), 1);
  const scaled = mapGrid(values, (value, pixel) => dilated[pixel] && scale(value));
  const maximum = findMaximum(scaled.values);
  return mapGrid(scaled, (value) => value / maximum);
}

/** Reduce noise by a Gaussian filter with `sigma` relative to the longer side. */
function smoothPicture(gray, sigma = 0.004) {
  return filterGaussian(gray, sigma * getLongerSide(gray));
}

function subtractGrid(grid, subtracted) {
  return mapGrid(grid, (value, pixel) => value - subtracted.values[pixel]);
}

function negateGrid(grid) {
  return mapGrid(grid, (value) => -value);
}

function selectValues({ values }, mask) {
  const selected = new Float32Array(computeTotal(mask.values));
  for (let pixel = 0, i = 0; pixel < values.length; pixel++) {
    if (mask.values[pixel]) {
      selected[i++] = values[pixel];
    }
  }
  return selected;
}

/** Estimate the contrast of ink as a mean over a mask, in which pale edges and ruled lines have low weights. */
function estimateInkContrast(contrast, mask) {
  const values = Float64Array.from(selectValues(contrast, mask));
  return Math.fround(computeTotal(values.map((value) => value ** 5)) / computeTotal(values.map((value) => value ** 4)));
}

/** Estimate the standard deviation around 0 robustly, by the median of the absolute values. */
function estimateStd(values) {
  return 1.4826 * computeMedian(values.map(Math.abs));
}

/** Return the values of the outermost pixels: the first and last row and column. */
function getSides({ values, height, width }) {
  const getColumn = (column) => Array.from({ length: height }, (_, row) => values[row * width + column]);
  return [[...values.subarray(0, width)], [...values.subarray(-width)], getColumn(0), getColumn(width - 1)];
}

function touchesBorder(mask) {
  return getSides(mask).flat().includes(1);
}

/** Return whether all pixels are in a mask, or none. */
function isConstant({ values }) {
  return !values.includes(0) || !values.includes(1);
}

// Pictures that are mostly background

/** Compute the contrast in a picture that is mostly background, or return null if there is no clear contrast. */
function computePageContrast(gray) {
  let values = subtractGrid(gray, fitBackground(gray));
  let smoothed = smoothPicture(values);
  if (computeTotal(smoothed.values.map((value) => value ** 3)) < 0) {
    [values, smoothed] = [values, smoothed].map(negateGrid); // dark ink
  }
  const threshold = Math.max(Math.fround(MIN_CONTRAST), computeOtsuThreshold(smoothed.values));
  const inkMask = mapGrid(smoothed, (value) => value > threshold);
  if (isConstant(inkMask)) {
    return null;
  }
  const ink = estimateInkContrast(smoothed, inkMask);
  const noise = estimateStd(selectValues(smoothed, invertMask(inkMask)));
  return ink > 6 * noise ? { values, smoothed, ink, noise } : null;
}

/** Fit a polynomial of degree 2 to the brightness of the background, by robust least squares. */
function fitBackground(gray, mask = null) {
  const { height, width } = gray;
  const pixels = samplePixels(gray, mask);
  const y = Float64Array.from(pixels, (pixel) => getPosition(Math.floor(pixel / width), height));
  const x = Float64Array.from(pixels, (pixel) => getPosition(pixel % width, width));
  const multiply = (first, second) => first.map((value, i) => value * second[i]);
  const terms = [x.map(() => 1), x, multiply(x, x), y, multiply(y, x), multiply(y, y)];
  const values = Float64Array.from(pixels, (pixel) => gray.values[pixel]);
  let coefficients = [computeMedian(values), 0, 0, 0, 0, 0];
  let previous = null;
  for (let iteration = 0; iteration < 8; iteration++) {
    const residuals = values.map((value, i) => Math.abs(value - evaluateTerms(coefficients, terms, i)));
    const limit = 2.5 * estimateStd(residuals);
    const isInlier = residuals.map((residual) => residual <= limit);
    if (previous?.every((value, i) => value === isInlier[i])) {
      break; // the same samples give the same coefficients
    }
    previous = isInlier;
    coefficients = solveLeastSquares(
      terms.map((term) => multiply(term, isInlier)),
      [...terms, values],
    );
  }
  return evaluatePolynomial(coefficients, height, width);
}

function evaluateTerms(coefficients, terms, i) {
  let sum = 0;
  for (let j = 0; j < terms.length; j++) {
    sum += coefficients[j] * terms[j][i];
  }
  return sum;
}

/** Return the position of a row or column as a number from -1 to 1. */
function getPosition(index, size) {
  return (2 * index) / (size - 1) - 1;
}

function evaluatePolynomial([constant, x1, x2, y1, xy, y2], height, width) {
  const columns = Array.from({ length: width }, (_, column) => getPosition(column, width));
  const rows = Array.from({ length: height }, (_, row) => getPosition(row, height));
  return createGrid(height, width, (row, column) => {
    const [x, y] = [columns[column], rows[row]];
    return constant + x * (x1 + x * x2 + y * xy) + y * (y1 + y * y2);
  });
}

/** Sample pixels, of a mask if there is one, by a quasi-random sequence, and return their indices. */
function samplePixels({ values, height, width }, mask, nPixels = 4000) {
  const spread = (i, size, step) => Math.floor(((0.5 + step * i) % 1) * size);
  const indices = [...new Array(nPixels).keys()];
  if (mask) {
    const masked = Array.from(values.keys()).filter((pixel) => mask.values[pixel]);
    const sample = indices.map((i) => masked[spread(i, masked.length, R2_STEPS[0])]);
    return masked.length > nPixels ? sample : masked;
  }
  const sample = (i) => spread(i, height, R2_STEPS[0]) * width + spread(i, width, R2_STEPS[1]);
  return indices.slice(0, values.length).map(sample);
}

/** Return the coefficients of a linear model of the last column, by elimination in the normal equations. */
function solveLeastSquares(terms, columns) {
  let matrix = terms.map((term) => columns.map((column) => computeDotProduct(term, column)));
  const minPivots = matrix.map((equation, i) => 1e-10 * equation[i]);
  for (let i = 0; i < terms.length; i++) {
    // A term that depends on others, as in a picture of two columns, gets the coefficient 0.
    const scale = matrix[i][i] > minPivots[i] ? 1 / matrix[i][i] : 0;
    const pivotRow = matrix[i].map((value) => value * scale);
    const eliminate = (equation) => equation.map((value, j) => value - equation[i] * pivotRow[j]);
    matrix = matrix.map((equation, k) => (k === i ? pivotRow : eliminate(equation)));
  }
  return matrix.map((equation) => equation[terms.length]);
}

function computeDotProduct(first, second) {
  let sum = 0;
  for (let i = 0; i < first.length; i++) {
    sum += first[i] * second[i];
  }
  return sum;
}

/** Return the mask of the digit among everything on a page that is as dark or light as ink. */
function segmentDigitOnPage(strength) {
  const low = segmentDigit(strength, 0.2);
  // Ruled lines may connect the digit to the border. A higher threshold removes them, as they are paler than ink.
  const high = low.crosses ? segmentDigit(strength, 0.5) : low;
  return high.crosses ? low.mask : high.mask;
}

/** Return the mask of the connected components that form the digit, and whether the largest one crosses the picture. */
function segmentDigit(strength, threshold) {
  const isAbove = (limit) => mapGrid(strength, (value) => value > limit);
  const { labels, areas } = labelComponents(isAbove(threshold), isAbove(0.5));
  const sides = getSides({ ...strength, values: labels });
  const crosses = areas.map((_, label) => sides.filter((side) => side.includes(label)).length >= 2);
  const scores = areas.map((area, label) => (crosses[label] ? 0.01 : 1) * area);
  const largest = scores.indexOf(findMaximum(scores));
  const selectByArea = (minimum) =>
    areas.map((area, label) => label > 0 && area >= minimum * areas[largest] && crosses[label] <= crosses[largest]);
  const selected = selectByArea(MIN_COMPONENT_AREA);
  const isPiece = selectByArea(MIN_PIECE_AREA).map((isLarge, label) => isLarge && !selected[label]);
  const mask = mapGrid(strength, (_, pixel) => selected[labels[pixel]]);
  return { mask: addNearPieces(mask, labels, isPiece), crosses: crosses[largest] };
}

/** Add the pieces of interrupted strokes that are near a digit to its mask. */
function addNearPieces(mask, labels, isPiece) {
  if (!isPiece.includes(true)) {
    return mask;
  }
  const maxDistance = MAX_PIECE_GAP * measureHeight(mask) + 1;
  const distance = computeDistance(invertMask(mask)).values;
  const added = new Set(labels.filter((label, pixel) => isPiece[label] && distance[pixel] <= maxDistance));
  return mapGrid(mask, (inside, pixel) => inside || added.has(labels[pixel]));
}

/** Return the number of rows from the first to the last one with pixels of a mask. */
function measureHeight({ values, width }) {
  return Math.floor(values.lastIndexOf(1) / width) - Math.floor(values.indexOf(1) / width) + 1;
}

// Pictures without a margin

/** Compute the contrast in a picture with two levels of brightness, or return null if neither has strokes. */
function computeCropContrast(gray) {
  const smoothed = smoothPicture(gray);
  const threshold = computeOtsuThreshold(smoothed.values);
  const explainedVariance = computeExplainedVariance(smoothed.values, threshold);
  if (
    computeNeighborCorrelation(gray) < MIN_NEIGHBOR_CORRELATION ||
    explainedVariance < MIN_EXPLAINED_VARIANCE_BLURRED
  ) {
    return null;
  }
  const light = mapGrid(upsampleSmall(smoothPicture(gray, 0.01)), (value) => value > threshold);
  if (isConstant(light)) {
    return null;
  }
  const [first, second] = [light, invertMask(light)].map((mask) => ({ mask, score: measureDissimilarity(mask) }));
  const isLightInk = first.score < second.score;
  const [best, other] = isLightInk ? [first, second] : [second, first];
  if (!areStrokes(best.mask, best.score, other.score, explainedVariance < MIN_EXPLAINED_VARIANCE)) {
    return null;
  }
  const inkMask = mapGrid(smoothed, (value) => value > threshold === isLightInk);
  return subtractBackground(...[gray, smoothed].map((grid) => (isLightInk ? grid : negateGrid(grid))), inkMask);
}

/** Return whether the shapes of a mask are similar to a digit, and more so than those of the other level. */
function areStrokes(mask, dissimilarity, otherDissimilarity, isBlurred) {
  const minOther = isBlurred ? MIN_DISSIMILARITY_RATIO_BLURRED * dissimilarity : 0;
  const maxWidth = isBlurred ? MAX_STROKE_WIDTH_BLURRED : MAX_STROKE_WIDTH;
  return (
    dissimilarity <= MAX_DISSIMILARITY &&
    otherDissimilarity >= minOther &&
    measureStrokeWidth(mask) <= maxWidth * getLongerSide(mask)
  );
}

function subtractBackground(brightness, smoothedBrightness, inkMask) {
  const { background, noise } = estimateBackground(brightness, invertMask(inkMask));
  const [values, smoothed] = [brightness, smoothedBrightness].map((grid) => subtractGrid(grid, background));
  const ink = estimateInkContrast(smoothed, inkMask);
  return ink > MIN_CONTRAST ? { values, smoothed, ink, noise } : null;
}

/** Estimate the brightness of the background and its noise from the pixels of a mask. */
function estimateBackground(brightness, mask) {
  const interior = erodeMask(mask);
  const selected = interior.values.includes(1) ? interior : mask;
  const noise = estimateNoise(brightness, selected);
  const measure = (background) => {
    const deviation = estimateStd(selectValues(subtractGrid(brightness, background), selected));
    return { background, deviation, noise: Math.min(noise, deviation) };
  };
  const level = computeMedian(selectValues(brightness, selected));
  const constant = measure(mapGrid(brightness, () => level));
  if (computeMean(selected.values) < MIN_BACKGROUND_FRACTION || constant.deviation === 0) {
    return constant;
  }
  const surface = measure(fitBackground(brightness, selected));
  const isLightUneven = surface.deviation < 0.5 * constant.deviation;
  // A surface that fits the background in a few corners can be anything where the ink is.
  const isPlausible = isNearRange(surface.background.values, selectValues(brightness, selected));
  return isLightUneven && isPlausible ? surface : constant;
}

/** Estimate the standard deviation of noise from the differences of near pixels in a mask. */
function estimateNoise(brightness, mask) {
  const distance = Math.max(1, roundHalfToEven(NOISE_DISTANCE * getLongerSide(mask)));
  const subtractNear = ({ values, width }, { values: inside }) => {
    const isPair = (_, pixel) => inside[pixel] && inside[pixel + distance] && (pixel % width) + distance < width;
    return values.map((value, pixel) => values[pixel + distance] - value).filter(isPair);
  };
  const transposed = subtractNear(transposeGrid(brightness), transposeGrid(mask));
  const differences = new Float32Array([...subtractNear(brightness, mask), ...transposed]);
  return differences.length > 0 ? estimateStd(differences) / Math.SQRT2 : 0;
}

/** Return whether values exceed the range of others by at most `MAX_EXTRAPOLATION` times its length. */
function isNearRange(values, others) {
  const [low, high] = [findMinimum(others), findMaximum(others)];
  const margin = MAX_EXTRAPOLATION * (high - low);
  return low - margin <= findMinimum(values) && findMaximum(values) <= high + margin;
}

/** Return the correlation of vertical or horizontal neighbors, whichever is higher. */
function computeNeighborCorrelation(gray) {
  const compute = ({ values, width }) => computeCorrelation(values.subarray(width), values.subarray(0, -width));
  return Math.max(compute(gray), compute(transposeGrid(gray)));
}

/** Return the correlation of two arrays, or 0 if one of them is constant. */
function computeCorrelation(first, second) {
  const [firstMean, secondMean] = [first, second].map(computeMean);
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < first.length; i++) {
    const [x, y] = [first[i] - firstMean, second[i] - secondMean];
    xx += x * x;
    xy += x * y;
    yy += y * y;
  }
  return xx * yy > 0 ? xy / Math.sqrt(xx * yy) : 0;
}

function computeVariance(values) {
  const mean = computeMean(values);
  return computeMean(values.map((value) => (value - mean) ** 2));
}

/** Return the fraction of the variance that is between the groups below and above a threshold. */
function computeExplainedVariance(values, threshold) {
  const groups = [true, false].map((isAbove) => values.filter((value) => value > threshold === isAbove));
  const [above, below] = groups.map(computeMean);
  const product = (groups[0].length * groups[1].length) / values.length ** 2;
  return product === 0 ? 0 : (product * (above - below) ** 2) / computeVariance(values);
}

/** Upsample a small picture, so that its strokes are several pixels wide. */
function upsampleSmall(gray) {
  const factor = roundHalfToEven(UPSAMPLED_SIZE / getLongerSide(gray));
  return factor > 1 ? upsampleGrid(gray, factor) : gray;
}

/** Measure how dissimilar a mask is to a digit that fills the picture; a typical digit has about 0.25. */
function measureDissimilarity(mask) {
  const { areas } = labelComponents(mask);
  const disconnected = 1 - findMaximum(areas) / computeTotal(areas);
  const halfWidth = findLocalMaxima(computeDistance(padGrid(mask, 1)));
  const variation = Math.sqrt(computeVariance(halfWidth)) / computeMean(halfWidth);
  const [top, bottom, left, right] = getSides(mask);
  const border = [...top, ...bottom, ...left.slice(1, -1), ...right.slice(1, -1)];
  return disconnected + variation + 0.4 * computeMean(border);
}

/** Return the maximum stroke width: the diameter of the largest circle inside a mask. */
function measureStrokeWidth(mask) {
  return 2 * findMaximum(computeDistance(padGrid(mask, 1)).values);
}

/** Return whether a mask is a sheet of paper, with a digit on it that does not touch the border of the picture. */
function isDigitOnSheet(digitMask, sheetMask) {
  if (!digitMask || touchesBorder(digitMask)) {
    return false;
  }
  const longerSide = getLongerSide(digitMask);
  const minWidth = Math.max(MIN_SHEET_WIDTH * longerSide, MIN_SHEET_TO_STROKE_RATIO * measureStrokeWidth(digitMask));
  const isHigh = measureHeight(digitMask) >= MIN_DIGIT_HEIGHT_ON_SHEET * longerSide;
  return isHigh && measureStrokeWidth(sheetMask) >= minWidth;
}

/** Return the mask of the large components of the ink, and of the pale strokes that are connected to them. */
function segmentDigitWithoutMargin({ smoothed, ink }) {
  const core = selectLargeComponents(createInkMask({ smoothed, ink }));
  const pale = mapGrid(smoothed, (value, pixel) => core.values[pixel] || value > PALE * ink);
  const { labels, areas } = labelComponents(pale, core);
  return mapGrid(pale, (inside, pixel) => inside && areas[labels[pixel]] > 0);
}

/** Return the mask of the largest connected component and all that are not much smaller. */
function selectLargeComponents(mask) {
  const { labels, areas } = labelComponents(mask);
  const minArea = MIN_COMPONENT_AREA * findMaximum(areas);
  return mapGrid(mask, (inside, pixel) => inside && areas[labels[pixel]] >= minArea);
}
