// Operations on pictures and masks, with the same results as those of NumPy, scipy.ndimage and Pillow.

/**
 * Values of pixels, row by row. Masks have the values 0 and 1.
 * @typedef {{values: Float32Array | Float64Array | Uint8Array, height: number, width: number}} Grid
 */

/**
 * Create a grid from a function of the row and column.
 * @param {number} height
 * @param {number} width
 * @param {(row: number, column: number) => number | boolean} compute
 * @returns {Grid}
 */
export function createGrid(height, width, compute, ArrayType = Float32Array) {
    const values = new ArrayType(height * width);
    for (let row = 0, pixel = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
            values[pixel++] = compute(row, column);
        }
    }
    return { values, height, width };
}

/**
 * Create a grid from a function of the value and the index of each pixel of another grid.
 * @param {Grid} grid
 * @param {(value: number, pixel: number) => number | boolean} compute
 * @returns {Grid}
 */
export function mapGrid({ values, height, width }, compute, ArrayType = Float32Array) {
    const mapped = new ArrayType(values.length);
    for (let pixel = 0; pixel < values.length; pixel++) {
        mapped[pixel] = compute(values[pixel], pixel);
    }
    return { values: mapped, height, width };
}

/** Return the mask of the pixels for which a function of the value and the index is true. */
export function createMask(grid, isInside) {
    return mapGrid(grid, isInside, Uint8Array);
}

export function invertMask(mask) {
    return createMask(mask, (inside) => !inside);
}

export function getPixel({ values, height, width }, row, column, outside = 0) {
    return row >= 0 && row < height && column >= 0 && column < width ? values[row * width + column] : outside;
}

/** Return a part of a grid. Pixels outside of the grid are 0. */
export function cropGrid(grid, top, left, bottom, right) {
    const compute = (row, column) => getPixel(grid, top + row, left + column);
    return createGrid(bottom - top, right - left, compute, grid.values.constructor);
}

export function padGrid(grid, margin) {
    return cropGrid(grid, -margin, -margin, grid.height + margin, grid.width + margin);
}

export function transposeGrid(grid) {
    const compute = (row, column) => grid.values[column * grid.width + row];
    return createGrid(grid.width, grid.height, compute, grid.values.constructor);
}

/** Return the values of the outermost pixels. */
export function getBorder({ values, height, width }) {
    const isInterior = (index, size) => index > 0 && index < size - 1;
    return values.filter(
        (_, pixel) => !(isInterior(Math.floor(pixel / width), height) && isInterior(pixel % width, width))
    );
}

/** Return the maximum of each row. */
export function computeRowMaxima({ values, height, width }) {
    return Array.from({ length: height }, (_, row) => findMaximum(values.subarray(row * width, (row + 1) * width)));
}

export function findMaximum(values) {
    return values.reduce((first, second) => Math.max(first, second));
}

export function computeTotal(values) {
    return values.reduce((first, second) => first + second, 0);
}

export function computeMean(values) {
    return computeTotal(values) / values.length;
}

export function computeMedian(values) {
    const sorted = values.slice().sort();
    return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** Round to the nearest integer, and to an even one if there are two, as Python does. */
export function roundHalfToEven(value) {
    const rounded = Math.round(value);
    return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Remove pixels of a mask that have a neighbor outside of it, above, below, left or right. */
export function erodeMask(mask, outside = 0) {
    const get = (row, column) => getPixel(mask, row, column, outside);
    const isInside = (row, column) =>
        get(row, column) && get(row - 1, column) && get(row + 1, column) && get(row, column - 1) && get(row, column + 1);
    return createGrid(mask.height, mask.width, isInside, Uint8Array);
}

/** Add the pixels above, below, left and right of those of a mask. */
export function dilateMask(mask) {
    return invertMask(erodeMask(invertMask(mask), 1));
}

/**
 * Label the connected components of a mask, where pixels have 8 neighbors, with numbers from 1.
 * @param {Grid} mask
 * @returns {{labels: Int32Array, nComponents: number}}
 */
export function labelComponents({ values, height, width }) {
    const labels = new Int32Array(values.length);
    let nComponents = 0;
    for (let start = 0; start < values.length; start++) {
        if (!values[start] || labels[start]) {
            continue;
        }
        labels[start] = ++nComponents;
        for (const stack = [start]; stack.length > 0; ) {
            const pixel = stack.pop();
            const row = Math.floor(pixel / width);
            const column = pixel % width;
            for (let i = Math.max(row - 1, 0); i <= Math.min(row + 1, height - 1); i++) {
                for (let j = Math.max(column - 1, 0); j <= Math.min(column + 1, width - 1); j++) {
                    const neighbor = i * width + j;
                    if (values[neighbor] && !labels[neighbor]) {
                        labels[neighbor] = nComponents;
                        stack.push(neighbor);
                    }
                }
            }
        }
    }
    return { labels, nComponents };
}

/** Compute the distance of each pixel of a mask to the nearest pixel that is not in the mask. */
export function computeDistance(mask) {
    const { height, width } = mask;
    const vertical = mapGrid(mask, (inside) => (inside ? Infinity : 0), Float64Array).values;
    for (let pixel = width; pixel < vertical.length; pixel++) {
        vertical[pixel] = Math.min(vertical[pixel], vertical[pixel - width] + 1);
    }
    for (let pixel = vertical.length - width - 1; pixel >= 0; pixel--) {
        vertical[pixel] = Math.min(vertical[pixel], vertical[pixel + width] + 1);
    }
    const compute = (row, column) => {
        const pixel = row * width + column;
        let squared = vertical[pixel] ** 2;
        for (let offset = 1; offset < width && offset ** 2 < squared; offset++) {
            const left = column >= offset ? vertical[pixel - offset] : Infinity;
            const right = column + offset < width ? vertical[pixel + offset] : Infinity;
            squared = Math.min(squared, offset ** 2 + Math.min(left, right) ** 2);
        }
        return Math.sqrt(squared);
    };
    return createGrid(height, width, compute, Float64Array);
}

/** Smooth a grid by a Gaussian filter that is truncated at 4 standard deviations, with reflection at the border. */
export function filterGaussian(grid, sigma) {
    const radius = Math.floor(4 * sigma + 0.5);
    const density = (offset) => Math.exp((-0.5 / sigma ** 2) * offset ** 2);
    const weights = Array.from({ length: radius + 1 }, (_, offset) => density(offset));
    const total = 2 * computeTotal(weights) - weights[0];
    const normalized = weights.map((weight) => weight / total);
    const vertical = filterRows(transposeGrid(grid), normalized);
    return filterRows(transposeGrid(vertical), normalized);
}

/** Apply a symmetric filter, given by its center and right half, to each row. */
function filterRows({ values, height, width }, weights) {
    const radius = weights.length - 1;
    const columns = Array.from({ length: width + 2 * radius }, (_, i) => reflectIndex(i - radius, width));
    return createGrid(height, width, (row, column) => {
        const start = row * width;
        const center = column + radius;
        let sum = values[start + column] * weights[0];
        for (let offset = radius; offset > 0; offset--) {
            const pair = values[start + columns[center - offset]] + values[start + columns[center + offset]];
            sum += pair * weights[offset];
        }
        return sum;
    });
}

/** Return the index in an array that is reflected at its ends: c b a | a b c | c b a. */
function reflectIndex(index, size) {
    const period = 2 * size;
    const shifted = ((index % period) + period) % period;
    return Math.min(shifted, period - 1 - shifted);
}

/** Upsample a grid by an integer factor, by linear interpolation between the centers of pixels. */
export function zoomGrid({ values, height, width }, factor) {
    const locate = (index, size) => {
        const position = Math.min(Math.max((index + 0.5) / factor - 0.5, 0), size - 1);
        const start = Math.floor(position);
        return [start, Math.min(start + 1, size - 1), position - start];
    };
    return createGrid(height * factor, width * factor, (row, column) => {
        const [top, bottom, y] = locate(row, height);
        const [left, right, x] = locate(column, width);
        const upper = values[top * width + left] * (1 - x) + values[top * width + right] * x;
        const lower = values[bottom * width + left] * (1 - x) + values[bottom * width + right] * x;
        return upper * (1 - y) + lower * y;
    });
}

/**
 * Resize a box of a grid as Pillow does with `Image.Resampling.HAMMING`.
 * @param {Grid} grid
 * @param {{height: number, width: number}} size - Of the result.
 * @param {{left: number, top: number, right: number, bottom: number}} box
 * @returns {Grid}
 */
export function resizeGrid(grid, { height, width }, { left, top, right, bottom }) {
    const narrow = resizeRows(grid, left, right, width);
    return transposeGrid(resizeRows(transposeGrid(narrow), top, bottom, height));
}

function resizeRows({ values, height, width }, left, right, newWidth) {
    const [start, end] = [Math.fround(left), Math.fround(right)]; // as in Pillow
    const scale = Math.fround(end - start) / newWidth;
    const support = Math.max(scale, 1);
    const windows = Array.from({ length: newWidth }, (_, column) => {
        const center = start + (column + 0.5) * scale;
        const first = Math.max(Math.floor(center - support + 0.5), 0);
        const length = Math.min(Math.floor(center + support + 0.5), width) - first;
        const weights = Array.from({ length }, (_, i) => computeHamming((first + i - center + 0.5) / support));
        const total = computeTotal(weights);
        return { first, weights: weights.map((weight) => weight / total) };
    });
    return createGrid(height, newWidth, (row, column) => {
        const { first, weights } = windows[column];
        return computeTotal(weights.map((weight, i) => weight * values[row * width + first + i]));
    });
}

/** Compute the sinc function with a Hamming window, from -1 to 1. */
function computeHamming(x) {
    const angle = Math.PI * Math.abs(x);
    if (angle === 0 || angle >= Math.PI) {
        return angle === 0 ? 1 : 0;
    }
    return (Math.sin(angle) / angle) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(angle));
}

/** Compute the threshold that splits float32 values into two groups with minimum variance within the groups. */
export function computeOtsuThreshold(values, nBins = 256) {
    const { counts, edges } = computeHistogram(values, nBins);
    const centers = counts.map((_, bin) => Math.fround((edges[bin] + edges[bin + 1]) / 2));
    const total = computeTotal(counts.map((count, bin) => count * centers[bin]));
    let [nBelow, sum, maximum, threshold] = [0, 0, -1, 0];
    for (let bin = 0; bin < nBins - 1; bin++) {
        nBelow += counts[bin];
        sum += counts[bin] * centers[bin];
        const nAbove = values.length - nBelow;
        const distance = sum / nBelow - (total - sum) / nAbove;
        const variance = nBelow * nAbove * distance ** 2 || 0; // 0 instead of NaN
        if (variance > maximum) {
            maximum = variance;
            threshold = edges[bin + 1];
        }
    }
    return threshold;
}

function computeHistogram(values, nBins) {
    let first = values.reduce((a, b) => Math.min(a, b));
    let last = findMaximum(values);
    if (first === last) {
        [first, last] = [Math.fround(first - 0.5), Math.fround(last + 0.5)];
    }
    const range = Math.fround(last - first);
    const edges = Array.from({ length: nBins }, (_, i) => Math.fround(Math.fround((i * range) / nBins) + first));
    edges.push(last);
    const counts = new Array(nBins).fill(0);
    for (const value of values) {
        let bin = Math.floor(Math.fround(Math.fround(value - first) / range) * nBins);
        bin = Math.min(bin, nBins - 1);
        // Rounding errors can move values at the edges of bins.
        if (value < edges[bin]) {
            bin--;
        } else if (value >= edges[bin + 1] && bin < nBins - 1) {
            bin++;
        }
        counts[bin]++;
    }
    return { counts, edges };
}
