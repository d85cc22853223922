/** Drawings of the ten digits, as examples. The points are percentages of the side of the sheet. */

const OUTLINES = [
  ["55,20 41,22 32,36 30,52 34,70 45,80 57,78 67,65 69,48 65,31 55,20"],
  ["46,28 53,20 52,50 51,80"],
  ["32,35 38,24 50,19 62,25 65,37 58,52 45,66 31,79 48,77 69,78"],
  ["34,26 48,20 61,26 61,38 46,47 61,53 66,65 58,77 44,80 31,74"],
  ["42,20 36,38 31,56 50,57 71,55", "60,36 58,58 56,82"],
  ["65,21 40,22 38,46 52,43 65,52 66,67 55,79 41,80 31,74"],
  ["59,19 45,33 35,51 33,68 43,80 57,79 65,68 60,56 46,55 34,66"],
  ["31,23 50,22 68,21 60,40 51,60 46,80"],
  ["61,29 50,20 38,26 38,38 50,47 63,58 65,71 52,80 37,73 37,60 50,47 61,38 61,29"],
  ["64,33 54,21 40,24 36,38 44,49 56,47 64,33 63,50 59,66 54,81"],
];

/**
 * Return the strokes of a digit.
 *
 * @param {number} digit from 0 to 9
 * @param {number} width of the pen relative to the side of the sheet
 * @returns {Stroke[]}
 */
export function makeExampleDigit(digit, width) {
  return OUTLINES[digit].map((outline) => ({
    width,
    points: outline
      .split(" ")
      .map((point) => /** @type {[number, number]} */ (point.split(",").map((part) => part / 100))),
  }));
}
