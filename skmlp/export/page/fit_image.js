/** Conversion of pictures to images of any size, for datasets without the normalization of MNIST. */

import { createGrid, getPixel, resizeGrid } from "./image_filters.js";
import { computeInk } from "./ink.js";
import { cropToInk } from "./normalize.js";
import { checkSize, convertToGray } from "./picture.js";

/**
 * Crop a picture to its ink, scale it to fit into the image with its aspect ratio preserved, and center it.
 *
 * @param {ImageData} imageData
 * @param {number} height of the image
 * @param {number} width of the image
 * @returns {Uint8Array} pixels row by row: 0 for the background, 255 for ink
 */
export function fitImage(imageData, height, width) {
  const ink = cropToInk(computeInk(convertToGray(checkSize(imageData))));
  const scale = Math.min(height / ink.height, width / ink.width);
  const [rows, columns] = [ink.height, ink.width].map((end) => ({
    start: 0,
    end,
    size: Math.max(1, Math.round(end * scale)),
  }));
  const fitted = resizeGrid(ink, rows, columns);
  const [top, left] = [Math.floor((height - rows.size) / 2), Math.floor((width - columns.size) / 2)];
  const compute = (row, column) => 255 * Math.min(1, Math.max(0, getPixel(fitted, row - top, column - left)));
  return Uint8Array.from(createGrid(height, width, compute).values, Math.round);
}
