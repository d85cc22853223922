/** The sheet that the user draws on: strokes by mouse, touch, pen or keyboard, or a picture. */

/** Side of the raster that is normalized, in pixels; independent of the size on the screen. */
export const RASTER_SIZE = 140;
/** Larger pictures are reduced to this length of their longer side, in pixels. */
const MAX_PICTURE_SIZE = 900;
const KEYBOARD_STEP = 1 / 40;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @typedef {object} Stroke
 * @property {[number, number][]} points x and y relative to the side of the sheet
 * @property {number} width relative to the side of the sheet
 */

/** Sheet with strokes and pictures on a canvas. Calls `onChange` after each change. */
export class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange
   */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.penWidth = 0.08;
    /** @type {(Stroke | { picture: ImageBitmap })[]} */
    this.marks = [];
    this.current = null;
    this.cursor = null;
    this.raster = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    this.raster.canvas.width = this.raster.canvas.height = RASTER_SIZE;
    canvas.addEventListener("pointerdown", (event) => this.startWithPointer(event));
    canvas.addEventListener("pointermove", (event) => this.continueWithPointer(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(type, () => this.finishStroke());
    }
    canvas.addEventListener("keydown", (event) => this.handleKey(event));
    canvas.addEventListener("blur", () => this.hideCursor());
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  get isEmpty() {
    return this.marks.length === 0;
  }

  /** Return the sheet as dark ink on white, whatever the colors on the screen are, or the picture as it is. */
  getImageData() {
    if (this.marks.length === 1 && "picture" in this.marks[0]) {
      return readPicture(this.marks[0].picture);
    }
    this.paintMarks(this.raster, RASTER_SIZE, "#ffffff", "#000000");
    return this.raster.getImageData(0, 0, RASTER_SIZE, RASTER_SIZE);
  }

  clear() {
    this.replaceMarks([]);
  }

  undo() {
    this.replaceMarks(this.marks.slice(0, -1));
  }

  /** @param {(Stroke | { picture: ImageBitmap })[]} marks */
  replaceMarks(marks) {
    this.current = null;
    this.marks = marks;
    this.notify();
  }

  /** Replace the drawing by a picture. @param {ImageBitmap} picture */
  showPicture(picture) {
    this.replaceMarks([{ picture }]);
  }

  startStroke(point) {
    this.current = { points: [point], width: this.penWidth };
    this.marks = [...this.marks, this.current];
    this.notify();
  }

  continueStroke(points) {
    this.current.points.push(...points);
    this.notify();
  }

  finishStroke() {
    this.current = null;
  }

  startWithPointer(event) {
    if (event.button !== 0 || this.current !== null) {
      return;
    }
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.cursor = null;
    this.canvas.setPointerCapture(event.pointerId);
    this.startStroke(this.locate(event));
  }

  continueWithPointer(event) {
    if (this.current !== null && this.cursor === null) {
      const events = event.getCoalescedEvents?.() ?? [];
      this.continueStroke((events.length ? events : [event]).map((part) => this.locate(part)));
    }
  }

  /** Return the position of a pointer relative to the sheet. */
  locate(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  /** Move the pen by the arrow keys; lower and lift it by the space bar. */
  handleKey(event) {
    if (event.key in ARROWS) {
      const step = event.shiftKey ? KEYBOARD_STEP / 4 : KEYBOARD_STEP;
      const start = this.cursor ?? [0.5, 0.25];
      this.cursor = ARROWS[event.key].map((sign, axis) => Math.min(1, Math.max(0, start[axis] + sign * step)));
      if (this.current !== null) {
        this.continueStroke([this.cursor]);
      }
    } else if (event.key === " " || event.key === "Enter") {
      this.cursor ??= [0.5, 0.25];
      if (this.current === null) {
        this.startStroke(this.cursor);
      } else {
        this.finishStroke();
      }
    } else if (event.key === "Delete") {
      this.clear();
    } else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
    this.paint();
  }

  hideCursor() {
    this.finishStroke();
    this.cursor = null;
    this.paint();
  }

  notify() {
    this.paint();
    this.onChange();
  }

  /** Draw the sheet on the screen, in its colors and resolution. */
  paint() {
    const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
    if (side === 0) {
      return;
    }
    if (this.canvas.width !== side) {
      this.canvas.width = this.canvas.height = side;
    }
    const style = getComputedStyle(this.canvas);
    const context = this.canvas.getContext("2d");
    this.paintMarks(context, side, style.backgroundColor, style.color);
    if (this.cursor !== null) {
      const [x, y] = this.cursor.map((position) => position * side);
      context.lineWidth = side / 150;
      context.strokeStyle = style.getPropertyValue("--accent");
      context.beginPath();
      context.arc(x, y, (this.penWidth * side) / 2 + side / 100, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  paintMarks(context, side, background, ink) {
    context.fillStyle = background;
    context.fillRect(0, 0, side, side);
    context.strokeStyle = context.fillStyle = ink;
    for (const mark of this.marks) {
      if ("picture" in mark) {
        paintPicture(context, side, mark.picture);
      } else {
        paintStroke(context, side, mark);
      }
    }
  }
}

/** Return the pixels of a picture. */
function readPicture(picture) {
  const scale = Math.min(1, MAX_PICTURE_SIZE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/** Draw a picture in the center, as large as possible. */
function paintPicture(context, side, picture) {
  const scale = side / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width * scale, picture.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, (side - width) / 2, (side - height) / 2, width, height);
}

/** Draw a stroke as a smooth curve through the middles of its segments; a single point becomes a dot. */
function paintStroke(context, side, { points, width }) {
  const scaled = points.map(([x, y]) => [x * side, y * side]);
  const [first, ...others] = scaled;
  const last = scaled.at(-1);
  context.lineWidth = width * side;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...first);
  others.forEach(([x, y], index) => {
    const next = others[index + 1] ?? last;
    context.quadraticCurveTo(x, y, (x + next[0]) / 2, (y + next[1]) / 2);
  });
  context.lineTo(last[0], last[1] + (points.length === 1 ? 0.01 : 0));
  context.stroke();
}
