// Operations on pictures and masks, with the same results as those of NumPy, scipy.ndimage and Pillow.

/**
 * Pixels, row by row. A mask has the values 0 and 1. As all grids have the same type of array, functions are fast.
 * @typedef {{values: Float32Array, height: number, width: number}} Grid
 */

/** Create a grid from a function of the row, the column and the index of each pixel. */
export function createGrid(height, width, compute) {
  const values = new Float32Array(height * width);
  for (let row = 0, pixel = 0; row < height; row++) {
    for (let column = 0; column < width; column++, pixel++) {
      values[pixel] = compute(row, column, pixel);
    }
  }
  return { values, height, width };
}

/** Create a grid from a function of the value and the index of each pixel of another grid. */
export function mapGrid({ values, height, width }, compute) {
  const mapped = new Float32Array(values.length);
  for (let pixel = 0; pixel < values.length; pixel++) {
    mapped[pixel] = compute(values[pixel], pixel);
  }
  return { values: mapped, height, width };
}

export function invertMask(mask) {
  return mapGrid(mask, (inside) => !inside);
}

export function getPixel({ values, height, width }, row, column) {
  return row >= 0 && row < height && column >= 0 && column < width ? values[row * width + column] : 0;
}

export function getLongerSide({ height, width }) {
  return Math.max(height, width);
}

/** Return a part of a grid. Pixels outside of the grid are 0. */
export function cropGrid(grid, top, left, bottom, right) {
  const compute = (row, column) => getPixel(grid, top + row, left + column);
  return createGrid(bottom - top, right - left, compute);
}

export function padGrid(grid, margin) {
  return cropGrid(grid, -margin, -margin, grid.height + margin, grid.width + margin);
}

export function transposeGrid({ values, height, width }) {
  return createGrid(width, height, (row, column) => values[column * width + row]);
}

/** Return the maximum of each row. */
export function computeRowMaxima({ values, height, width }) {
  return Array.from({ length: height }, (_, row) => findMaximum(values.subarray(row * width, (row + 1) * width)));
}

export function findMaximum(values) {
  let maximum = -Infinity;
  for (let i = 0; i < values.length; i++) {
    maximum = Math.max(maximum, values[i]);
  }
  return maximum;
}

export function findMinimum(values) {
  return -findMaximum(values.map((value) => -value));
}

export function computeTotal(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) {
    total += values[i];
  }
  return total;
}

export function computeMean(values) {
  return computeTotal(values) / values.length;
}

/** Return the median of a typed array. */
export function computeMedian(values) {
  const copy = values.slice();
  const upper = selectSmallest(copy, copy.length >> 1);
  const lower = copy.length % 2 === 0 ? copy.subarray(0, copy.length >> 1).reduce((a, b) => Math.max(a, b)) : upper;
  return (lower + upper) / 2;
}

/**
 * Return the value that would be at a position if a typed array were sorted, and move smaller values before it.
 *
 * This is Hoare's quickselect. It takes linear time, also if many values are equal.
 */
function selectSmallest(values, position) {
  let [first, last] = [0, values.length - 1];
  while (first < last) {
    const pivot = values[(first + last) >> 1];
    let [left, right] = [first, last];
    while (left <= right) {
      while (values[left] < pivot) {
        left++;
      }
      while (values[right] > pivot) {
        right--;
      }
      if (left <= right) {
        const value = values[left];
        values[left++] = values[right];
        values[right--] = value;
      }
    }
    if (position <= right) {
      last = right;
    } else if (position >= left) {
      first = left;
    } else {
      break;
    }
  }
  return values[position];
}

/** Round to the nearest integer, or to an even one if there are two, as Python does. */
export function roundHalfToEven(value) {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/** Add the pixels above, below, left and right of those of a mask. */
export function dilateMask({ values, height, width }) {
  const dilated = values.slice();
  const lastRow = values.length - width;
  for (let pixel = values.indexOf(1); pixel !== -1; pixel = values.indexOf(1, pixel + 1)) {
    const column = pixel % width;
    dilated[column > 0 ? pixel - 1 : pixel] = 1;
    dilated[column < width - 1 ? pixel + 1 : pixel] = 1;
    dilated[pixel >= width ? pixel - width : pixel] = 1;
    dilated[pixel < lastRow ? pixel + width : pixel] = 1;
  }
  return { values: dilated, height, width };
}

/** Remove the pixels of a mask that have a neighbor above, below, left or right that is not in the mask. */
export function erodeMask(mask) {
  return invertMask(dilateMask(invertMask(mask)));
}

/** Return the differences of the indices of 8 neighbors and that of a pixel that is not at the border. */
function getNeighborOffsets(width) {
  return [-width - 1, -width, 1 - width, -1, 1, width - 1, width, width + 1];
}

/** Return the positive values that no neighbor exceeds, in a grid with a border of zeros. */
export function findLocalMaxima({ values, width }) {
  const offsets = getNeighborOffsets(width);
  const isMaximum = (value, pixel) => offsets.every((offset) => values[pixel + offset] <= value);
  return values.filter((value, pixel) => value > 0 && isMaximum(value, pixel));
}

/** Label connected components, with 8 neighbors per pixel, from 1, and compute their areas as sums of weights. */
export function labelComponents(mask, weights = mask) {
  const { values, height, width } = padGrid(mask, 1);
  const padded = padGrid(weights, 1).values;
  const labels = new Float32Array(values.length);
  const offsets = getNeighborOffsets(width);
  const areas = [0];
  for (let start = values.indexOf(1); start !== -1; start = values.indexOf(1, start + 1)) {
    const label = areas.push(0) - 1;
    values[start] = 0;
    for (const stack = [start]; stack.length > 0; ) {
      const pixel = stack.pop();
      labels[pixel] = label;
      areas[label] += padded[pixel];
      for (const offset of offsets) {
        if (values[pixel + offset]) {
          values[pixel + offset] = 0;
          stack.push(pixel + offset);
        }
      }
    }
  }
  return { labels: cropGrid({ values: labels, height, width }, 1, 1, height - 1, width - 1).values, areas };
}

/** Compute the distance of each pixel of a mask to the nearest pixel outside of the mask. */
export function computeDistance(mask) {
  const { height, width } = mask;
  const vertical = mapGrid(mask, (inside) => (inside ? Infinity : 0)).values;
  for (let pixel = width; pixel < vertical.length; pixel++) {
    vertical[pixel] = Math.min(vertical[pixel], vertical[pixel - width] + 1);
  }
  for (let pixel = vertical.length - width - 1; pixel >= 0; pixel--) {
    vertical[pixel] = Math.min(vertical[pixel], vertical[pixel + width] + 1);
  }
  const compute = (_row, column, pixel) => {
    let squared = vertical[pixel] ** 2;
    for (let offset = 1; offset < width && offset ** 2 < squared; offset++) {
      const left = offset <= column ? vertical[pixel - offset] : Infinity;
      const right = offset < width - column ? vertical[pixel + offset] : Infinity;
      squared = Math.min(squared, offset ** 2 + Math.min(left, right) ** 2);
    }
    return Math.sqrt(squared);
  };
  return createGrid(height, width, compute);
}

/** Replace each row by `newWidth` weighted sums of its values, with indices and weights from a function. */
function filterRows({ values, height, width }, newWidth, getWindow) {
  const filtered = new Float32Array(height * newWidth);
  for (let column = 0; column < newWidth; column++) {
    const { indices, weights } = getWindow(column, width);
    for (let row = 0; row < height; row++) {
      let sum = 0;
      for (let i = 0; i < indices.length; i++) {
        sum += values[row * width + indices[i]] * weights[i];
      }
      filtered[row * newWidth + column] = sum;
    }
  }
  return { values: filtered, height, width: newWidth };
}

/** Filter the columns, then the rows. */
function filterAxes(grid, factor, getWindow) {
  const filter = (rows) => filterRows(rows, rows.width * factor, getWindow);
  return filter(transposeGrid(filter(transposeGrid(grid))));
}

function normalizeWeights(weights) {
  const total = computeTotal(weights);
  return weights.map((weight) => weight / total);
}

/** Smooth by a Gaussian filter that is truncated at 4 standard deviations, with reflection at the border. */
export function filterGaussian(grid, sigma) {
  const radius = Math.floor(4 * sigma + 0.5);
  const offsets = Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius);
  const weights = normalizeWeights(offsets.map((offset) => Math.exp((-0.5 / sigma ** 2) * offset ** 2)));
  const reflect = (index, size) => {
    const shifted = ((index % (2 * size)) + 2 * size) % (2 * size);
    return Math.min(shifted, 2 * size - 1 - shifted);
  };
  return filterAxes(grid, 1, (column, width) => {
    return { indices: offsets.map((offset) => reflect(column + offset, width)), weights };
  });
}

/** Upsample by an integer factor, by linear interpolation between the centers of pixels. */
export function upsampleGrid(grid, factor) {
  return filterAxes(grid, factor, (column, width) => {
    const position = Math.min(Math.max((column + 0.5) / factor - 0.5, 0), width - 1);
    const fraction = position % 1;
    return { indices: [Math.floor(position), Math.ceil(position)], weights: [1 - fraction, fraction] };
  });
}

/** Filters of Pillow: functions that are zero beyond `support`. */
const HAMMING = { support: 1, compute: computeHammingFilter };
export const LANCZOS = { support: 3, compute: computeLanczosFilter };

/** Resize a box of a grid to `size` rows and columns as Pillow does with one of its filters. */
export function resizeGrid(grid, rows, columns, filter = HAMMING) {
  return transposeGrid(resizeRows(transposeGrid(resizeRows(grid, columns, filter)), rows, filter));
}

function resizeRows(grid, { start, end, size }, filter) {
  const [left, right] = [Math.fround(start), Math.fround(end)];
  const scale = Math.fround(right - left) / size;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  return filterRows(grid, size, (column, width) => {
    const center = left + (column + 0.5) * scale;
    const first = Math.max(Math.floor(center - support + 0.5), 0);
    const length = Math.min(Math.floor(center + support + 0.5), width) - first;
    const indices = Array.from({ length }, (_, i) => first + i);
    const weights = indices.map((index) => filter.compute((index - center + 0.5) / stretch));
    return { indices, weights: normalizeWeights(weights) };
  });
}

function computeSinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Compute the product of the sinc function and a Hamming window from -1 to 1. */
function computeHammingFilter(x) {
  const window = Math.fround(0.54) + Math.fround(0.46) * Math.cos(Math.PI * x);
  return Math.abs(x) < 1 ? computeSinc(x) * (x === 0 ? 1 : window) : 0;
}

/** Compute the product of the sinc function and the central part of a wider one, from -3 to 3. */
function computeLanczosFilter(x) {
  return Math.abs(x) < 3 ? computeSinc(x) * computeSinc(x / 3) : 0;
}

/** Compute the threshold that splits float32 values into two groups with minimum variance within the groups. */
export function computeOtsuThreshold(values, nBins = 256) {
  const { counts, edges } = computeHistogram(values, nBins);
  const centers = counts.map((_, bin) => Math.fround((edges[bin] + edges[bin + 1]) / 2));
  const total = computeTotal(counts.map((count, bin) => count * centers[bin]));
  let [nBelow, sum] = [0, 0];
  const variances = counts.slice(0, -1).map((count, bin) => {
    nBelow += count;
    sum += count * centers[bin];
    const nAbove = values.length - nBelow;
    const distance = sum / nBelow - (total - sum) / nAbove;
    return nBelow * nAbove * distance ** 2 || 0; // 0 instead of NaN
  });
  return edges[variances.indexOf(findMaximum(variances)) + 1];
}

function computeHistogram(values, nBins) {
  let [first, last] = [findMinimum(values), findMaximum(values)];
  if (first === last) {
    [first, last] = [first - 0.5, last + 0.5].map(Math.fround);
  }
  const step = Math.fround(last - first) / nBins;
  const edges = Array.from({ length: nBins }, (_, bin) => Math.fround(Math.fround(bin * step) + first)).concat(last);
  const counts = new Array(nBins).fill(0);
  values.forEach((value) => {
    const bin = Math.min(Math.floor((value - first) / step), nBins - 1);
    // Rounding errors can move a value at the edge of a bin.
    const isAbove = bin < nBins - 1 && value >= edges[bin + 1];
    counts[value < edges[bin] ? bin - 1 : isAbove ? bin + 1 : bin]++;
  });
  return { counts, edges };
}
