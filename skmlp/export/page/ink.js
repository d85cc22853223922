// Separation of the ink of a digit from the background, a port of skmlp/digits/ink.py, which explains the method.

import {
    computeDistance,
    computeMean,
    computeMedian,
    computeOtsuThreshold,
    computeTotal,
    createGrid,
    createMask,
    cropGrid,
    dilateMask,
    erodeMask,
    filterGaussian,
    findMaximum,
    getBorder,
    getPixel,
    invertMask,
    labelComponents,
    mapGrid,
    padGrid,
    roundHalfToEven,
    zoomGrid,
} from "./image_filters.js";
import { NoDigitError } from "./picture.js";

// These constants are explained in ink.py.
const MIN_CONTRAST = 0.02;
const MIN_NEIGHBOR_CORRELATION = 0.33;
const MIN_EXPLAINED_VARIANCE = 0.76;
const MAX_DISSIMILARITY = 1;
const MAX_STROKE_WIDTH = 0.7;
const MIN_BACKGROUND_FRACTION = 0.15;
const MIN_SHEET_WIDTH = 0.3;
const MIN_SHEET_TO_STROKE_RATIO = 3;
const MIN_DIGIT_HEIGHT_ON_SHEET = 0.15;
const MIN_COMPONENT_AREA = 0.08;
const UPSAMPLED_SIZE = 60;
const R2_STEPS = [0.7548776662466927, 0.5698402909980532];

/**
 * Difference between a picture and its background, positive for ink.
 * @typedef {import("./image_filters.js").Grid} Grid
 * @typedef {{values: Grid, smoothed: Grid, ink: number, noise: number}} Contrast
 */

/**
 * Compute the fraction of each pixel that is covered by ink.
 * @param {Grid} picture - Brightness in any unit.
 * @returns {Grid}
 */
export function computeInk(picture) {
    const brightest = findMaximum(picture.values) || 1;
    const gray = mapGrid(picture, (value) => value / brightest);
    const minCorrelation = Math.min(MIN_NEIGHBOR_CORRELATION, 4 / Math.sqrt(gray.values.length));
    const isNoise = computeNeighborCorrelation(gray) < minCorrelation;
    const page = isNoise ? null : computePageContrast(gray);
    const digitMask = page && segmentDigitOnPage(mapGrid(page.smoothed, (value) => value / page.ink));
    if (!page || touchesBorder(createInkMask(page))) {
        const crop = computeCropContrast(gray);
        if (crop && !isDigitOnSheet(digitMask, createInkMask(crop))) {
            return normalizeContrast(crop, selectLargeComponents(createInkMask(crop)));
        }
    }
    if (page) {
        return normalizeContrast(page, digitMask);
    }
    throw new NoDigitError(
        "picture must show a digit that is clearly darker or lighter than the background, got a picture without one. " +
            "Increase the contrast, or crop the picture to the digit."
    );
}

/** Return the mask of the pixels of which more than half is covered by ink. */
function createInkMask({ smoothed, ink }) {
    return createMask(smoothed, (value) => value > 0.5 * ink);
}

/** Scale the contrast to 0 for the background and 1 for ink, and remove everything outside of the digit. */
function normalizeContrast({ values, ink, noise }, digitMask) {
    const lower = Math.min(Math.max(2 * noise, 0.02 * ink), 0.33 * ink);
    const [offset, range] = [Math.fround(lower), Math.fround(ink - lower)];
    const dilated = dilateMask(dilateMask(digitMask)).values;
    const clipped = mapGrid(values, (value, pixel) =>
        dilated[pixel] ? Math.min(Math.max(Math.fround(value - offset) / range, 0), 1) : 0
    );
    const maximum = findMaximum(clipped.values);
    return mapGrid(clipped, (value) => value / maximum);
}

function smoothPicture(gray, sigma = 0.004) {
    return filterGaussian(gray, sigma * getLongerSide(gray));
}

function getLongerSide({ height, width }) {
    return Math.max(height, width);
}

function getMaskedValues({ values }, mask) {
    return values.filter((_, pixel) => mask.values[pixel]);
}

/** Estimate the contrast of ink as a mean over a mask, in which pale edges and ruled lines have low weights. */
function estimateInkContrast(contrast, mask) {
    const values = Float64Array.from(getMaskedValues(contrast, mask));
    const weights = values.map((value) => value ** 4);
    return Math.fround(computeTotal(values.map((value, i) => value * weights[i])) / computeTotal(weights));
}

/** Estimate the standard deviation around 0 robustly, by the median of the absolute values. */
function estimateStd(values) {
    return 1.4826 * computeMedian(values.map(Math.abs));
}

function touchesBorder(mask) {
    return getBorder(mask).includes(1);
}

// Pictures that are mostly background

/** Compute the contrast in a picture that is mostly background, or return null if there is no clear contrast. */
function computePageContrast(gray) {
    const background = fitBackground(gray);
    let values = mapGrid(gray, (value, pixel) => value - background.values[pixel]);
    let smoothed = smoothPicture(values);
    if (computeTotal(smoothed.values.map((value) => value ** 3)) < 0) {
        [values, smoothed] = [values, smoothed].map((grid) => mapGrid(grid, (value) => -value)); // dark ink
    }
    const threshold = Math.max(MIN_CONTRAST, computeOtsuThreshold(smoothed.values));
    const inkMask = createMask(smoothed, (value) => value > threshold);
    if (!inkMask.values.includes(0) || !inkMask.values.includes(1)) {
        return null;
    }
    const ink = estimateInkContrast(smoothed, inkMask);
    const noise = estimateStd(getMaskedValues(smoothed, invertMask(inkMask)));
    return ink > 6 * noise ? { values, smoothed, ink, noise } : null;
}

/** Fit a polynomial of degree 2 to the brightness of the background, by robust least squares. */
function fitBackground(gray, mask = null) {
    const { height, width } = gray;
    const getPosition = (index, size) => (index * 2) / (size - 1) - 1;
    const getTerms = (row, column) => {
        const [y, x] = [getPosition(row, height), getPosition(column, width)];
        return [1, x, x ** 2, y, y * x, y ** 2];
    };
    const pixels = samplePixels(gray, mask);
    const terms = pixels.map((pixel) => getTerms(Math.floor(pixel / width), pixel % width));
    const values = Float64Array.from(pixels, (pixel) => gray.values[pixel]);
    const median = computeMedian(values);
    let coefficients = [];
    let residuals = values.map((value) => Math.abs(value - median));
    for (let iteration = 0; iteration < 8; iteration++) {
        const limit = 2.5 * estimateStd(residuals);
        const inliers = [...terms.keys()].filter((i) => residuals[i] <= limit);
        coefficients = solveLeastSquares(inliers.map((i) => terms[i]), inliers.map((i) => values[i]));
        residuals = values.map((value, i) => Math.abs(value - computeDotProduct(coefficients, terms[i])));
    }
    return createGrid(height, width, (row, column) => computeDotProduct(coefficients, getTerms(row, column)));
}

/** Sample pixels, of a mask if there is one, by a quasi-random sequence, and return their indices. */
function samplePixels({ values, height, width }, mask, nPixels = 4000) {
    const spread = (i, size, step) => Math.floor(((0.5 + step * i) % 1) * size);
    if (!mask) {
        return Array.from({ length: Math.min(values.length, nPixels) }, (_, i) => {
            return spread(i, height, R2_STEPS[0]) * width + spread(i, width, R2_STEPS[1]);
        });
    }
    const pixels = [...values.keys()].filter((pixel) => mask.values[pixel]);
    const { length } = pixels;
    return length > nPixels ? Array.from({ length: nPixels }, (_, i) => pixels[spread(i, length, R2_STEPS[0])]) : pixels;
}

/** Return coefficients of the terms that minimize the squared error, by elimination in the normal equations. */
function solveLeastSquares(terms, values) {
    const rows = terms[0].map((_, i) => {
        const column = terms.map((term) => term[i]);
        const products = terms[0].map((_, j) => column.reduce((sum, value, k) => sum + value * terms[k][j], 0));
        return [...products, computeDotProduct(column, values)];
    });
    const minPivots = rows.map((row, i) => 1e-10 * row[i]);
    rows.forEach((pivotRow, i) => {
        const pivot = pivotRow[i];
        // A dependent term, for example in a picture of 2 columns, gets the coefficient 0.
        rows[i] = pivotRow.map((value) => (pivot > minPivots[i] ? value / pivot : 0));
        rows.forEach((row, k) => {
            if (k !== i) {
                const factor = row[i];
                row.forEach((_, j) => (row[j] -= factor * rows[i][j]));
            }
        });
    });
    return rows.map((row) => row.at(-1));
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
    return (high.crosses ? low : high).mask;
}

/** Return the mask of the connected components that form the digit, and whether the largest one crosses the picture. */
function segmentDigit(strength, threshold) {
    const { height, width } = strength;
    const { labels, nComponents } = labelComponents(createMask(strength, (value) => value > threshold));
    const areas = countLabels(labels.filter((_, pixel) => strength.values[pixel] > 0.5), nComponents);
    const sides = [
        labels.subarray(0, width),
        labels.subarray(-width),
        labels.filter((_, pixel) => pixel % width === 0),
        labels.filter((_, pixel) => pixel % width === width - 1),
    ].map((side) => new Set(side));
    const crosses = areas.map((_, label) => sides.filter((side) => side.has(label)).length >= 2);
    const scores = areas.map((area, label) => (crosses[label] ? 0.01 : 1) * area);
    const largest = scores.indexOf(Math.max(...scores));
    const isSelected = (label) =>
        label > 0 && areas[label] >= MIN_COMPONENT_AREA * areas[largest] && crosses[label] <= crosses[largest];
    const mask = createMask(strength, (_, pixel) => isSelected(labels[pixel]));
    return { mask, crosses: crosses[largest] };
}

/** Return the number of pixels with each label; 0 for the background. */
function countLabels(labels, nComponents) {
    const counts = new Array(nComponents + 1).fill(0);
    for (const label of labels) {
        counts[label]++;
    }
    counts[0] = 0;
    return counts;
}

// Pictures without a margin

/** Compute the contrast in a picture with two levels of brightness, or return null if neither has strokes. */
function computeCropContrast(gray) {
    if (computeNeighborCorrelation(gray) < MIN_NEIGHBOR_CORRELATION) {
        return null;
    }
    const smoothed = smoothPicture(gray);
    const threshold = computeOtsuThreshold(smoothed.values);
    if (computeExplainedVariance(smoothed.values, threshold) < MIN_EXPLAINED_VARIANCE) {
        return null;
    }
    const light = createMask(upsampleSmall(smoothPicture(gray, 0.01)), (value) => value > threshold);
    if (!light.values.includes(0) || !light.values.includes(1)) {
        return null;
    }
    const dark = invertMask(light);
    const dissimilarities = [measureDissimilarity(light), measureDissimilarity(dark)];
    const isLightInk = dissimilarities[0] < dissimilarities[1];
    const shapes = isLightInk ? light : dark;
    const isDigit =
        Math.min(...dissimilarities) <= MAX_DISSIMILARITY &&
        measureStrokeWidth(shapes) <= MAX_STROKE_WIDTH * getLongerSide(shapes);
    return isDigit ? subtractBackground(gray, smoothed, threshold, isLightInk) : null;
}

/** Compute the contrast in a picture whose ink is lighter, or darker, than a threshold. */
function subtractBackground(gray, smoothedGray, threshold, isLightInk) {
    const sign = isLightInk ? 1 : -1;
    const inkMask = createMask(smoothedGray, (value) => value > threshold === isLightInk);
    const signed = mapGrid(gray, (value) => sign * value);
    const { background, noise } = estimateBackground(signed, invertMask(inkMask));
    const values = mapGrid(signed, (value, pixel) => value - background.values[pixel]);
    const smoothed = mapGrid(smoothedGray, (value, pixel) => sign * value - background.values[pixel]);
    const ink = estimateInkContrast(smoothed, inkMask);
    return ink > MIN_CONTRAST ? { values, smoothed, ink, noise } : null;
}

/** Estimate the brightness of the background and its noise from the pixels of a mask. */
function estimateBackground(brightness, mask) {
    const interior = erodeMask(mask, 1);
    const selected = interior.values.includes(1) ? interior : mask;
    const level = Math.fround(computeMedian(getMaskedValues(brightness, selected)));
    const estimateNoise = (background) => {
        const residuals = mapGrid(brightness, (value, pixel) => value - background.values[pixel]);
        return { background, noise: estimateStd(getMaskedValues(residuals, selected)) };
    };
    const constant = estimateNoise(mapGrid(brightness, () => level));
    if (computeMean(selected.values) >= MIN_BACKGROUND_FRACTION && constant.noise > 0) {
        const surface = estimateNoise(fitBackground(brightness, selected));
        if (surface.noise < 0.5 * constant.noise) {
            return surface; // uneven light
        }
    }
    return constant;
}

/** Return the correlation of vertical or horizontal neighbors, whichever is higher. */
function computeNeighborCorrelation(gray) {
    const { height, width } = gray;
    return Math.max(
        computeCorrelation(cropGrid(gray, 1, 0, height, width), cropGrid(gray, 0, 0, height - 1, width)),
        computeCorrelation(cropGrid(gray, 0, 1, height, width), cropGrid(gray, 0, 0, height, width - 1))
    );
}

/** Return the correlation of two grids, or 0 if one of them is constant. */
function computeCorrelation(first, second) {
    const [x, y] = [first, second].map(({ values }) => {
        const mean = computeMean(values);
        return Float64Array.from(values, (value) => value - mean);
    });
    const norm = Math.sqrt(computeDotProduct(x, x) * computeDotProduct(y, y));
    return norm > 0 ? computeDotProduct(x, y) / norm : 0;
}

/** Return the fraction of the variance that is between the groups below and above a threshold. */
function computeExplainedVariance(values, threshold) {
    const above = values.filter((value) => value > threshold);
    const below = values.filter((value) => value <= threshold);
    if (!above.length || !below.length) {
        return 0;
    }
    const fraction = above.length / values.length;
    const mean = computeMean(values);
    const variance = computeMean(Float64Array.from(values, (value) => (value - mean) ** 2));
    return (fraction * (1 - fraction) * (computeMean(above) - computeMean(below)) ** 2) / variance;
}

/** Upsample a small picture, so that its strokes are several pixels wide. */
function upsampleSmall(gray) {
    const factor = roundHalfToEven(UPSAMPLED_SIZE / getLongerSide(gray));
    return factor > 1 ? zoomGrid(gray, factor) : gray;
}

/** Measure how dissimilar a mask is to a digit that fills the picture; a typical digit has about 0.25. */
function measureDissimilarity(mask) {
    const { labels, nComponents } = labelComponents(mask);
    const areas = countLabels(labels, nComponents);
    const disconnected = 1 - findMaximum(areas) / computeTotal(areas);
    const halfWidth = getRidgeValues(computeDistance(padGrid(mask, 1)));
    const mean = computeMean(halfWidth);
    const variance = computeMean(halfWidth.map((value) => (value - mean) ** 2));
    return disconnected + Math.sqrt(variance) / mean + 0.4 * computeMean(getBorder(mask));
}

/** Return the positive values that are local maxima among 8 neighbors. */
function getRidgeValues(distance) {
    return distance.values.filter((value, pixel) => {
        const [row, column] = [Math.floor(pixel / distance.width), pixel % distance.width];
        const isMaximum = (offset) => {
            const [i, j] = [row + Math.floor(offset / 3) - 1, column + (offset % 3) - 1];
            return getPixel(distance, i, j) <= value;
        };
        return value > 0 && [0, 1, 2, 3, 5, 6, 7, 8].every(isMaximum);
    });
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
    const first = digitMask.values.indexOf(1);
    const last = digitMask.values.lastIndexOf(1);
    const digitHeight = Math.floor(last / digitMask.width) - Math.floor(first / digitMask.width) + 1;
    if (digitHeight < MIN_DIGIT_HEIGHT_ON_SHEET * longerSide) {
        return false;
    }
    const strokeWidth = measureStrokeWidth(digitMask);
    const minWidth = Math.max(MIN_SHEET_WIDTH * longerSide, MIN_SHEET_TO_STROKE_RATIO * strokeWidth);
    return measureStrokeWidth(sheetMask) >= minWidth;
}

/** Return the mask of the largest connected component and all that are not much smaller. */
function selectLargeComponents(mask) {
    const { labels, nComponents } = labelComponents(mask);
    const areas = countLabels(labels, nComponents);
    const minArea = MIN_COMPONENT_AREA * Math.max(...areas);
    return createMask(mask, (_, pixel) => labels[pixel] > 0 && areas[labels[pixel]] >= minArea);
}
