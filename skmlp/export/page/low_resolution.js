// Pictures of low resolution, a port of skmlp/digits/low_resolution.py, which explains the constants.

import { computeMean, getLongerSide, LANCZOS, resizeGrid } from "./image_filters.js";

const MIN_PIXEL_EDGES = 7;
const MAX_PIXEL_EDGES = 64;
const MAX_EDGE_DISTANCE = 2;
const MIN_SIZE = 20;
const ENLARGED_SIZE = 40;

/**
 * Undo an enlargement without interpolation, which makes a square of equal pixels of each pixel.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} imageData - Pixels of a canvas.
 * @returns {{data: Uint8ClampedArray, width: number, height: number}} One pixel for each square, or `imageData`.
 */
export function mergeEqualPixels(imageData) {
  const { data, height, width } = imageData;
  const pixels = new Uint32Array(data.buffer, data.byteOffset, height * width);
  const rowEdges = findEdges(height, width, (row, column) => pixels[row * width + column]);
  if (rowEdges.length > MAX_PIXEL_EDGES) {
    return imageData;
  }
  const distinctRows = [0, ...rowEdges];
  const getPixel = (column, i) => pixels[distinctRows[i] * width + column];
  const columnEdges = findEdges(width, distinctRows.length, getPixel);
  if (rowEdges.length + columnEdges.length < MIN_PIXEL_EDGES || columnEdges.length > MAX_PIXEL_EDGES) {
    return imageData;
  }
  const distances = [rowEdges, columnEdges].flatMap(computeDifferences);
  const side = distances.reduce(computeGreatestCommonDivisor, 0);
  if (side === 1 || computeMean(distances) > side * MAX_EDGE_DISTANCE) {
    return imageData;
  }
  const [rows, columns] = [findSquares(rowEdges, height, side), findSquares(columnEdges, width, side)];
  const merged = Uint32Array.from(rows.flatMap((row) => columns.map((column) => pixels[row * width + column])));
  return { data: new Uint8ClampedArray(merged.buffer), height: rows.length, width: columns.length };
}

/** Return the indices of the lines of pixels that differ from the ones before them, up to the 65th. */
function findEdges(nLines, length, getValue) {
  const edges = [];
  for (let line = 1; line < nLines && edges.length <= MAX_PIXEL_EDGES; line++) {
    let position = 0;
    while (position < length && getValue(line, position) === getValue(line - 1, position)) {
      position++;
    }
    if (position < length) {
      edges.push(line);
    }
  }
  return edges;
}

function computeDifferences(positions) {
  return positions.slice(1).map((position, i) => position - positions[i]);
}

function computeGreatestCommonDivisor(first, second) {
  return second === 0 ? first : computeGreatestCommonDivisor(second, first % second);
}

/** Return the first row or column of each square of pixels. The first square may be cut off. */
function findSquares(edges, size, side) {
  const start = edges.length > 0 ? edges[0] % side : 0;
  const first = Array.from({ length: Math.ceil((size - start) / side) }, (_, i) => start + i * side);
  return start === 0 ? first : [0, ...first];
}

/** Enlarge a small picture by Lanczos interpolation, which preserves the shapes of strokes of one pixel. */
export function enlargeSmallPicture(gray) {
  const longerSide = getLongerSide(gray);
  if (longerSide >= MIN_SIZE) {
    return gray;
  }
  const factor = Math.ceil(ENLARGED_SIZE / longerSide);
  const [rows, columns] = [gray.height, gray.width].map((end) => ({ start: 0, end, size: factor * end }));
  return resizeGrid(gray, rows, columns, LANCZOS);
}
