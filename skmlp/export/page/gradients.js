/** Gradient features as inputs of a network, a port of skmlp/digits/gradients.py, which explains the formula. */

import { locateCell } from "./views.js";

const N_DIRECTIONS = 8;
/** Size of each part of the picture of the weights, at least */
const PART_SIZE = 80;
// Columns and rows, of three, of the parts for each direction: right, down and right, down, ...
const PART_PLACES = [
  [2, 1],
  [2, 2],
  [1, 2],
  [0, 2],
  [0, 1],
  [0, 0],
  [1, 0],
  [2, 0],
];

/** Inputs of a network that are strengths of the gradient around the points of a grid, and the pixels if requested. */
export class GradientInputs {
  /**
   * @param {object} parameters
   * @param {number} parameters.scale factor of the pixels
   * @param {[number, number]} parameters.shape height and width of the images
   * @param {[number, number]} parameters.grid numbers of rows and columns
   * @param {boolean} parameters.includePixels
   * @param {number} parameters.relativeBlur standard deviation of the weights, divided by the distance of the points
   * @param {number} parameters.rootOffset added under the root
   */
  constructor({ scale, shape, grid, includePixels, relativeBlur, rootOffset }) {
    this.scale = scale;
    this.shape = shape;
    this.grid = grid;
    this.includePixels = includePixels;
    this.rootOffset = rootOffset;
    this.nPixels = shape[0] * shape[1];
    this.nPoints = grid[0] * grid[1];
    this.nStrengths = N_DIRECTIONS * this.nPoints;
    [this.rowWeights, this.columnWeights] = grid.map((nPoints, axis) =>
      makeWeights(nPoints, shape[axis], relativeBlur),
    );
    this.zoom = Math.ceil(PART_SIZE / Math.max(...shape));
    this.partShape = shape.map((size) => this.zoom * size);
    /** Height and width of the picture that `arrange` returns; a gap is as wide as two pixels. */
    this.pictureShape = this.partShape.map((size) => 3 * size + 4 * this.zoom);
  }

  /**
   * Compute the inputs of the network.
   *
   * @param {ArrayLike<number>} pixels as the classifier takes them
   * @returns {Float32Array} strengths, sorted by direction, row and column of the grid, and the pixels
   */
  compute(pixels) {
    const inputs = new Float32Array(this.nStrengths + (this.includePixels ? this.nPixels : 0));
    const { rootOffset } = this;
    inputs.set(this.averageComponents(pixels).map((s) => Math.sqrt(s + rootOffset) - Math.sqrt(rootOffset)));
    if (this.includePixels) {
      inputs.set(
        Float64Array.from(pixels, (pixel) => this.scale * pixel),
        this.nStrengths,
      );
    }
    return inputs;
  }

  /** Return the averages of the components of the gradient around the points, in float64. */
  averageComponents(pixels) {
    const [height, width] = this.shape;
    const [nRows, nColumns] = this.grid;
    const padded = this.padImage(pixels);
    const averages = new Float64Array(this.nStrengths);
    for (let y = 0; y < height; y++) {
      // Gaussian weights are separable: first average along the row.
      const sums = averageRow(padded, y, width, this.columnWeights, nColumns);
      for (let i = 0; i < sums.length; i++) {
        if (sums[i] > 0) {
          const column = i % nColumns;
          let point = (i - column) * nRows + column;
          for (let row = 0; row < nRows; row++, point += nColumns) {
            averages[point] += this.rowWeights[y * nRows + row] * sums[i];
          }
        }
      }
    }
    return averages;
  }

  /** Multiply an image by the scale, and surround it by pixels that are 0. */
  padImage(pixels) {
    const [height, width] = this.shape;
    const padded = new Float64Array((height + 2) * (width + 2));
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        padded[(y + 1) * (width + 2) + x + 1] = this.scale * pixels[y * width + x];
      }
    }
    return padded;
  }

  /** Return the place of an input in the image, relative to the size of the image. */
  locate(index) {
    return index < this.nStrengths
      ? locateCell(index % this.nPoints, this.grid)
      : locateCell(index - this.nStrengths, this.shape);
  }

  /**
   * Arrange the weights of the inputs to a picture of 3 x 3 parts: around the center the weights of each direction, on
   * the side to which it points, and in the center those of the pixels.
   *
   * @param {Float32Array} weights
   * @returns {Float32Array} values of the picture, NaN between and outside of the parts
   */
  arrange(weights) {
    const picture = new Float32Array(this.pictureShape[0] * this.pictureShape[1]).fill(Number.NaN);
    PART_PLACES.forEach((place, direction) => {
      this.paintPart(picture, place, weights.subarray(direction * this.nPoints), this.grid);
    });
    if (this.includePixels) {
      this.paintPart(picture, [1, 1], weights.subarray(this.nStrengths), this.shape);
    }
    return picture;
  }

  /** Enlarge values of rows and columns to a part of a picture. */
  paintPart(picture, [right, down], values, [nRows, nColumns]) {
    const [height, width] = this.partShape;
    const [top, left] = [down * (height + 2 * this.zoom), right * (width + 2 * this.zoom)];
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const cell = Math.floor((y * nRows) / height) * nColumns + Math.floor((x * nColumns) / width);
        picture[(top + y) * this.pictureShape[1] + left + x] = values[cell];
      }
    }
  }

  /** Describe the picture of the weights. */
  describe() {
    const [rows, columns] = this.grid;
    const texts = [
      "Around the center are the weights of the eight directions in which the intensity can increase,",
      `at ${rows} x ${columns} points of the image: on the right those of an increase to the right.`,
    ];
    return [...texts, ...(this.includePixels ? ["In the center are the weights of the pixels."] : [])].join(" ");
  }
}

/** Return the Gaussian weights of the pixels of a row around each point, pixel by pixel. */
function makeWeights(nPoints, nPixels, relativeBlur) {
  const distance = nPixels / nPoints;
  const deviation = relativeBlur * distance;
  return Float64Array.from({ length: nPixels * nPoints }, (_, index) => {
    const point = distance * ((index % nPoints) + 0.5) - 0.5;
    const steps = (Math.floor(index / nPoints) - point) / deviation;
    return Math.exp(-0.5 * steps ** 2) / (deviation * Math.sqrt(2 * Math.PI));
  });
}

/** Return the weighted sums of the components in each direction of the gradients in a row. */
function averageRow(padded, y, width, columnWeights, nColumns) {
  const sums = new Float64Array(N_DIRECTIONS * nColumns);
  for (let x = 0; x < width; x++) {
    // Sobel filters, divided by 4
    const above = y * (width + 2) + x;
    const middle = above + width + 2;
    const below = middle + width + 2;
    const falling = padded[below + 2] - padded[above];
    const rising = padded[above + 2] - padded[below];
    const horizontal = (falling + rising + 2 * (padded[middle + 2] - padded[middle])) / 4;
    const vertical = (falling - rising + 2 * (padded[below + 1] - padded[above + 1])) / 4;
    if (horizontal !== 0 || vertical !== 0) {
      const sum = (vertical + horizontal) * Math.SQRT1_2;
      const difference = (vertical - horizontal) * Math.SQRT1_2;
      const axes = [horizontal, sum, vertical, difference];
      for (let axis = 0; axis < 4; axis++) {
        const along = axes[axis];
        const component = Math.abs(along) - Math.abs(axes[(axis + 2) % 4]);
        if (component > 0) {
          const first = (along > 0 ? axis : axis + 4) * nColumns;
          for (let column = 0; column < nColumns; column++) {
            sums[first + column] += columnWeights[x * nColumns + column] * component;
          }
        }
      }
    }
  }
  return sums;
}
