// Conversion of pictures to gray, a port of skmlp/digits/picture.py, which explains the constants.

import { computeTotal, createGrid, mapGrid, roundHalfToEven } from "./image_filters.js";

const WORKING_SIZE = 300;
const MIN_HEIGHT = 8;
const MIN_WIDTH = 2;
const MAX_PIXELS = 80_000_000;
const MAX_ASPECT_RATIO = 30;
const LUMA_WEIGHTS = [0.299, 0.587, 0.114].map(Math.fround);

/** Error of pictures that are blank or do not show a digit. */
export class NoDigitError extends Error {
  name = "NoDigitError";
}

/**
 * Convert the pixels of a canvas to gray, downsampled to the working size.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} imageData - Red, green, blue and opacity.
 * @returns {import("./image_filters.js").Grid} Brightness from 0 to 255.
 */
export function convertToGray(imageData) {
  return convertChannelsToGray([0, 1, 2, 3].map((channel) => downsampleChannel(imageData, channel)));
}

/** Return a picture, or throw an error if it is too small or too large, or its aspect ratio is not that of a digit. */
export function checkSize(imageData) {
  const { height, width } = imageData;
  const size = `${height} x ${width}`;
  if (height < MIN_HEIGHT || width < MIN_WIDTH) {
    throw new Error(
      `picture must be at least ${MIN_HEIGHT} pixels high and ${MIN_WIDTH} pixels wide, got ${size} ` +
        "(height x width). Use a higher resolution.",
    );
  }
  if (height * width > MAX_PIXELS) {
    const limit = MAX_PIXELS.toLocaleString("en-US");
    throw new Error(`picture must have at most ${limit} pixels, got ${size}. Reduce its size.`);
  }
  if (Math.max(height, width) > MAX_ASPECT_RATIO * Math.min(height, width)) {
    throw new Error(
      `picture must have a longer side of at most ${MAX_ASPECT_RATIO} times the shorter side, got ${size}. ` +
        "Crop it to the digit.",
    );
  }
  return imageData;
}

/** Average blocks of pixels so that the longer side is close to the working size. */
function downsampleChannel({ data, height, width }, channel) {
  const factor = Math.max(1, Math.min(roundHalfToEven(Math.max(height, width) / WORKING_SIZE), height, width));
  return createGrid(Math.floor(height / factor), Math.floor(width / factor), (row, column) => {
    let total = 0;
    for (let i = row * factor; i < (row + 1) * factor; i++) {
      for (let j = column * factor; j < (column + 1) * factor; j++) {
        total += data[4 * (i * width + j) + channel];
      }
    }
    return total / factor ** 2;
  });
}

/** Convert channels to gray; transparent pixels get a background that contrasts with the others. */
function convertChannelsToGray(channels) {
  const [red, green, blue, opacity] = channels.map((channel) => channel.values);
  const [redWeight, greenWeight, blueWeight] = LUMA_WEIGHTS;
  const gray = mapGrid(channels[0], (_, pixel) => {
    const redAndGreen = Math.fround(Math.fround(red[pixel] * redWeight) + Math.fround(green[pixel] * greenWeight));
    return redAndGreen + Math.fround(blue[pixel] * blueWeight);
  });
  const total = computeTotal(opacity);
  if (total === 0) {
    throw new NoDigitError("picture must show a digit, got only transparent pixels.");
  }
  const weighted = mapGrid(gray, (value, pixel) => value * opacity[pixel]);
  const background = computeTotal(weighted.values) > (total * 255) / 2 ? 0 : 255;
  return mapGrid(gray, (value, pixel) => {
    const opaque = Math.fround(opacity[pixel] / 255);
    return Math.fround(value * opaque) + Math.fround(background * Math.fround(1 - opaque));
  });
}
