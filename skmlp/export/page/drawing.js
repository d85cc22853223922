/** The sheet that the user draws on: strokes by mouse, touch, pen or keyboard, or a picture. */

/** Side of the raster that is normalized, in pixels; independent of the size on the screen. */
const RASTER_SIZE = 140;
/** Larger pictures are reduced to this length of their longer side, in pixels. */
const MAX_PICTURE_SIZE = 900;
/** Behind the transparent parts of a picture; dark and bright ink differ from it. */
const PICTURE_BACKGROUND = "#808080";
const KEYBOARD_STEP = 1 / 40;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const MAX_UNDO_STEPS = 200;

/**
 * @typedef {object} Stroke
 * @property {[number, number][]} points x and y relative to the side of the sheet
 * @property {number} width relative to the side of the sheet
 */

/** Sheet with strokes or a picture on a canvas. */
export class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} penWidth relative to the side of the sheet
   * @param {() => void} onChange called after each change
   * @param {(text: string) => void} announce called with a text for screen readers
   */
  constructor(canvas, penWidth, onChange, announce) {
    this.canvas = canvas;
    this.penWidth = penWidth;
    this.onChange = onChange;
    this.announce = announce;
    /** @type {(Stroke | { picture: ImageBitmap })[]} */
    this.marks = [];
    this.history = [];
    this.isExample = false;
    this.current = null;
    this.pointerId = null;
    this.cursor = null;
    this.raster = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    this.raster.canvas.width = this.raster.canvas.height = RASTER_SIZE;
    canvas.addEventListener("pointerdown", (event) => this.startWithPointer(event));
    canvas.addEventListener("pointermove", (event) => this.continueWithPointer(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(type, (event) => this.finishWithPointer(event));
    }
    canvas.addEventListener("keydown", (event) => this.handleKey(event));
    canvas.addEventListener("blur", () => this.hideCursor());
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  get isEmpty() {
    return this.marks.length === 0;
  }

  get hasPicture() {
    return this.marks.length === 1 && "picture" in this.marks[0];
  }

  /** Return the sheet as dark ink on white, whatever the colors on the screen are, or the picture as it is. */
  getImageData() {
    if (this.hasPicture) {
      return readPicture(this.marks[0].picture);
    }
    this.paintMarks(this.raster, RASTER_SIZE, "#ffffff", "#000000");
    return this.raster.getImageData(0, 0, RASTER_SIZE, RASTER_SIZE);
  }

  clear() {
    this.replaceMarks([]);
  }

  undo() {
    this.finishStroke();
    this.isExample = false;
    this.marks = this.history.pop() ?? [];
    this.notify();
  }

  /** Replace the drawing, which can be undone. @param {(Stroke | { picture: ImageBitmap })[]} marks */
  replaceMarks(marks) {
    this.finishStroke();
    this.remember();
    this.isExample = false;
    this.marks = marks;
    this.notify();
  }

  /** Show a drawing that the first stroke of the user replaces. @param {Stroke[]} strokes */
  showExample(strokes) {
    if (!this.isExample) {
      this.replaceMarks([]);
    }
    this.isExample = true;
    this.marks = strokes;
    this.notify();
  }

  /** Replace the drawing by a picture. @param {ImageBitmap} picture */
  showPicture(picture) {
    this.replaceMarks([{ picture }]);
  }

  remember() {
    if (!this.isExample) {
      this.history = [...this.history, this.marks].slice(-MAX_UNDO_STEPS);
    }
  }

  startStroke(point) {
    this.remember();
    const kept = this.isExample || this.hasPicture ? [] : this.marks;
    this.isExample = false;
    this.current = { points: [point], width: this.penWidth };
    this.marks = [...kept, this.current];
    this.notify();
  }

  continueStroke(points) {
    this.current.points.push(...points);
    this.notify();
  }

  finishStroke() {
    this.current = null;
    this.pointerId = null;
  }

  /** Start a stroke; other fingers and the palm are ignored until it ends. */
  startWithPointer(event) {
    if (event.button !== 0 || this.pointerId !== null) {
      return;
    }
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.finishStroke();
    this.cursor = null;
    this.pointerId = event.pointerId;
    this.canvas.setPointerCapture(event.pointerId);
    this.startStroke(this.locate(event));
  }

  continueWithPointer(event) {
    if (event.pointerId === this.pointerId) {
      const events = event.getCoalescedEvents?.() ?? [];
      this.continueStroke((events.length ? events : [event]).map((part) => this.locate(part)));
    }
  }

  finishWithPointer(event) {
    if (event.pointerId === this.pointerId) {
      this.finishStroke();
    }
  }

  /** Return the position of a pointer relative to the sheet. */
  locate(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  /** Move the pen by the arrow keys; lower and lift it by the space bar. */
  handleKey(event) {
    const hasModifier = event.ctrlKey || event.metaKey || event.altKey;
    if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else if (hasModifier) {
      return;
    } else if (event.key in ARROWS) {
      this.moveCursor(ARROWS[event.key], event.shiftKey ? KEYBOARD_STEP / 4 : KEYBOARD_STEP);
    } else if (event.key === " " || event.key === "Enter") {
      if (!event.repeat) {
        this.togglePen();
      }
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
    this.paint();
  }

  moveCursor(direction, step) {
    const start = this.cursor ?? [0.5, 0.25];
    this.cursor = direction.map((sign, axis) => Math.min(1, Math.max(0, start[axis] + sign * step)));
    if (this.current !== null) {
      this.continueStroke([this.cursor]);
    }
  }

  togglePen() {
    this.cursor ??= [0.5, 0.25];
    if (this.current === null) {
      this.startStroke(this.cursor);
      this.announce("Pen down");
    } else {
      this.finishStroke();
      this.announce("Pen up");
    }
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
      this.paintCursor(context, side, style.getPropertyValue("--accent"));
    }
  }

  /** Draw the position of the pen as a ring, filled while the pen is down. */
  paintCursor(context, side, color) {
    const [x, y] = this.cursor.map((position) => position * side);
    context.lineWidth = side / 150;
    context.strokeStyle = context.fillStyle = color;
    context.beginPath();
    context.arc(x, y, (this.penWidth * side) / 2 + side / 100, 0, 2 * Math.PI);
    if (this.current !== null) {
      context.fill();
    }
    context.stroke();
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
  const [left, top] = [(side - width) / 2, (side - height) / 2];
  context.fillStyle = PICTURE_BACKGROUND;
  context.fillRect(left, top, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, width, height);
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
