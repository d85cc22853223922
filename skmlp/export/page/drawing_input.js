/** Input by drawing: the sheet with its tools, pictures from files, the clipboard and the camera, and examples. */

import { convertPixels } from "./committee.js";
import { Drawing } from "./drawing.js";
import { makeExampleDigit } from "./example_digits.js";
import { fitImage } from "./fit_image.js";
import { normalize } from "./normalize.js";
import { NoDigitError } from "./picture.js";

const EXAMPLE_PEN_WIDTH = 0.08;
const ANIMATION_SECONDS = 0.8;
const NO_DRAWING = "No drawing found. Use a thicker pen, or a picture with more contrast.";
const NO_PICTURE = "The file must be a picture that this browser can open, such as PNG or JPEG. Choose another file.";

/** Input of images. */
export class DrawingInput {
  /**
   * @param {object} settings
   * @param {[number, number]} settings.shape height and width of the images
   * @param {number} settings.smallest value of the background
   * @param {number} settings.largest value of full ink
   * @param {boolean} settings.isMnist whether images are normalized as those of MNIST
   * @param {string[]} settings.examples labels of the digits that can be drawn as examples
   * @param {() => void} onChange called when `read` may return something else
   * @param {(text: string) => void} announce called with a text for screen readers
   */
  constructor(settings, onChange, announce) {
    this.settings = settings;
    this.message = "";
    this.pixels = undefined;
    this.nPictures = 0;
    this.notice = document.getElementById("notice");
    const pen = document.getElementById("pen");
    const handleChange = () => {
      this.pixels = undefined;
      this.notice.hidden = true;
      document.getElementById("hint").hidden = !this.drawing.isEmpty && !this.drawing.isExample;
      onChange();
    };
    this.drawing = new Drawing(document.getElementById("sheet"), pen.value / 100, handleChange, announce);
    pen.addEventListener("input", () => {
      this.drawing.penWidth = pen.value / 100;
    });
    document.getElementById("undo").addEventListener("click", () => this.drawing.undo());
    document.getElementById("clear").addEventListener("click", () => this.drawing.clear());
    this.listenForPictures();
    this.addExamples();
  }

  /**
   * Return the pixels of the image, or null if there is none. `message` says why not.
   *
   * @returns {Uint8Array | null}
   */
  read() {
    if (this.pixels === undefined) {
      this.pixels = this.compute();
    }
    return this.pixels;
  }

  compute() {
    this.message = "";
    if (this.drawing.isEmpty) {
      return null;
    }
    try {
      return this.normalize(this.drawing.getImageData());
    } catch (error) {
      this.message = error instanceof NoDigitError ? NO_DRAWING : error.message;
      return null;
    }
  }

  /** @param {ImageData} imageData @returns {Uint8Array} */
  normalize(imageData) {
    return this.settings.isMnist ? normalize(imageData) : fitImage(imageData, ...this.settings.shape);
  }

  /** Convert pixels from 0 to 255 to the features of a member. @returns {Float32Array} */
  convert(pixels, member) {
    return convertPixels(pixels, this.settings, member.deslant);
  }

  listenForPictures() {
    for (const id of ["picture", "camera"]) {
      const input = document.getElementById(id);
      input.addEventListener("change", () => {
        this.openPicture(input.files[0]);
        input.value = "";
      });
    }
    document.addEventListener("paste", (event) => {
      const file = [...event.clipboardData.files].find(({ type }) => type.startsWith("image/"));
      this.openPicture(file);
    });
    const sheet = this.drawing.canvas.parentElement;
    for (const type of ["dragover", "dragleave", "drop"]) {
      document.addEventListener(type, (event) => {
        event.preventDefault();
        sheet.classList.toggle("dropping", type === "dragover");
        if (type === "drop") {
          this.openPicture(event.dataTransfer.files[0]);
        }
      });
    }
  }

  /** Show a picture, with the orientation that the file states. @param {Blob | undefined} file */
  async openPicture(file) {
    if (!file) {
      return;
    }
    this.nPictures += 1;
    const [number, marks] = [this.nPictures, this.drawing.marks];
    const picture = await createImageBitmap(file).catch(() => null);
    if (number !== this.nPictures || marks !== this.drawing.marks) {
      picture?.close(); // the user has opened another picture or drawn in the meantime
    } else if (picture === null) {
      this.notice.textContent = NO_PICTURE;
      this.notice.hidden = false;
    } else {
      this.drawing.showPicture(picture);
    }
  }

  /** Add buttons that draw a digit. */
  addExamples() {
    const group = document.getElementById("examples");
    group.hidden = this.settings.examples.length === 0;
    this.settings.examples.forEach((label, digit) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.setAttribute("aria-label", `Draw a ${label}`);
      button.addEventListener("click", () => this.drawExample(digit));
      group.append(button);
    });
  }

  /** Draw a digit, point by point unless the user prefers reduced motion. */
  drawExample(digit) {
    const strokes = makeExampleDigit(digit, EXAMPLE_PEN_WIDTH);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.drawing.showExample(strokes);
      return;
    }
    const nPoints = strokes.reduce((sum, { points }) => sum + points.length, 0);
    const start = performance.now();
    let shown = null;
    const drawNext = (now) => {
      if (shown !== null && this.drawing.marks !== shown) {
        return; // the user has changed the drawing
      }
      const elapsed = (now - start) / 1000 / ANIMATION_SECONDS;
      shown = cutStrokes(strokes, Math.max(1, Math.ceil(elapsed * nPoints)));
      this.drawing.showExample(shown);
      if (elapsed < 1) {
        requestAnimationFrame(drawNext);
      }
    };
    drawNext(start);
  }
}

/** Return strokes with their first points only. */
function cutStrokes(strokes, nPoints) {
  let left = nPoints;
  return strokes.flatMap(({ points, width }) => {
    const kept = points.slice(0, Math.max(0, left));
    left -= points.length;
    return kept.length > 0 ? [{ points: kept, width }] : [];
  });
}
