// Drawing in pixels of the photo.

import { corner, placeOf } from "./geometry.js";

/** The colour of what is marked on photos. */
export const MARK = "#ffd500";

/**
 * A canvas that shows a box of the photo, as wide as its place on the page and as sharp as the screen.
 * The context's unit is a pixel of the photo.
 */
export class View {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.box = { left: 0, top: 0, width: 1, height: 1 };
    this.scale = 1;
  }

  get context() {
    return /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
  }

  /** Clears the canvas and returns its context. @param {{left: number, top: number, width: number, height: number}} box */
  show(box) {
    const width = Math.max(1, Math.round(this.canvas.clientWidth * devicePixelRatio));
    this.box = box;
    this.scale = width / box.width;
    const height = Math.max(1, Math.round(box.height * this.scale));
    if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
    const { context } = this;
    context.resetTransform();
    context.clearRect(0, 0, width, height);
    context.setTransform(this.scale, 0, 0, this.scale, -box.left * this.scale, -box.top * this.scale);
    return context;
  }

  /** Returns the point of the photo under a pointer. @param {MouseEvent} event */
  point(event) {
    const place = this.canvas.getBoundingClientRect();
    return [
      this.box.left + ((event.clientX - place.left) / place.width) * this.box.width,
      this.box.top + ((event.clientY - place.top) / place.height) * this.box.height,
    ];
  }
}

/** Draws the photo over its own extent. @param {CanvasRenderingContext2D} context @param {any} subject */
export const drawPhoto = (context, { picture, geometry }) => {
  const { image_width: width, image_height: height } = geometry;
  context.imageSmoothingQuality = "high";
  if (picture) {
    context.drawImage(picture, 0, 0, width, height);
  } else {
    context.fillStyle = "#888";
    context.fillRect(0, 0, width, height);
  }
};

/** Traces the outline of a patch. @param {CanvasRenderingContext2D} context @param {any} geometry @param {number} patch */
export const tracePatch = (context, geometry, patch) => {
  const [row, col] = placeOf(geometry, patch);
  context.beginPath();
  for (const [dx, dy] of [[0, 0], [1, 0], [1, 1], [0, 1]]) {
    const [x, y] = corner(geometry, col + dx, row + dy);
    context.lineTo(x, y);
  }
  context.closePath();
};

/**
 * Draws the outline of a patch so that it is seen on any photo.
 * @param {CanvasRenderingContext2D} context @param {any} geometry @param {number} patch @param {number} scale @param {string} [colour]
 */
export const outlinePatch = (context, geometry, patch, scale, colour = MARK) => {
  tracePatch(context, geometry, patch);
  for (const [ink, width] of /** @type {[string, number][]} */ ([["#000", 5], [colour, 2.5]])) {
    context.strokeStyle = ink;
    context.lineWidth = (width * devicePixelRatio) / scale;
    context.stroke();
  }
};
