/** Input by drawing: the sheet with its tools, pictures from files, the clipboard and the camera, and examples. */

import { Drawing } from "./drawing.js";
import { makeExampleDigit } from "./example_digits.js";
import { fitImage } from "./fit_image.js";
import { normalize } from "./normalize.js";

const EXAMPLE_PEN_WIDTH = 0.08;
const ANIMATION_SECONDS = 0.8;
const PICTURE_ERROR =
  "The file must be a picture that this browser can open, such as PNG or JPEG. Choose another file.";

/** Input of images. `read` returns the pixels; `onChange` is called when they may have changed. */
export class DrawingInput {
  /**
   * @param {{ shape: [number, number], largest: number }} settings height and width, and the value of full ink
   * @param {unknown[]} classes
   * @param {() => void} onChange
   */
  constructor(settings, classes, onChange) {
    this.settings = settings;
    this.message = "";
    this.onChange = onChange;
    this.drawing = new Drawing(document.getElementById("sheet"), () => {
      document.getElementById("hint").hidden = !this.drawing.isEmpty;
      this.message = "";
      onChange();
    });
    document.getElementById("undo").addEventListener("click", () => this.drawing.undo());
    document.getElementById("clear").addEventListener("click", () => this.drawing.clear());
    const pen = document.getElementById("pen");
    pen.addEventListener("input", () => {
      this.drawing.penWidth = pen.value / 100;
    });
    this.listenForPictures();
    this.addExamples(classes.map(String));
  }

  /**
   * Return the features of the drawing, or null if there is none. `message` says why not.
   *
   * @returns {Float32Array | null}
   */
  read() {
    if (this.drawing.isEmpty) {
      return null;
    }
    try {
      return this.convert(this.normalize(this.drawing.getImageData()));
    } catch (error) {
      this.message = error.message;
      return null;
    }
  }

  /** @param {ImageData} imageData @returns {Uint8Array} */
  normalize(imageData) {
    const [height, width] = this.settings.shape;
    return height === 28 && width === 28 ? normalize(imageData) : fitImage(imageData, height, width);
  }

  /** Convert pixels from 0 to 255 to features. @param {ArrayLike<number>} pixels @returns {Float32Array} */
  convert(pixels) {
    return Float32Array.from(pixels, (pixel) => (pixel * this.settings.largest) / 255);
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
      if (file) {
        this.openPicture(file);
      }
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

  /** Show a picture, rotated as the camera recorded it. @param {Blob | undefined} file */
  async openPicture(file) {
    if (!file) {
      return;
    }
    try {
      this.drawing.showPicture(await createImageBitmap(file));
    } catch {
      this.message = PICTURE_ERROR;
      this.onChange();
    }
  }

  /** Add buttons that draw a digit, if the classes are the ten digits. */
  addExamples(labels) {
    if (labels.join() !== "0,1,2,3,4,5,6,7,8,9") {
      return;
    }
    const group = document.getElementById("examples");
    group.hidden = false;
    labels.forEach((label, digit) => {
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
    const nPoints = strokes.reduce((sum, { points }) => sum + points.length, 0);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      this.drawing.replaceMarks(strokes);
      return;
    }
    const start = performance.now();
    let shown = [];
    const drawNext = (now) => {
      if (this.drawing.marks !== shown && now !== start) {
        return; // the user has changed the drawing
      }
      const elapsed = (now - start) / 1000 / ANIMATION_SECONDS;
      shown = cutStrokes(strokes, Math.max(1, Math.ceil(elapsed * nPoints)));
      this.drawing.replaceMarks(shown);
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
