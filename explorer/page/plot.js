// A canvas for charts: its unit is a CSS pixel, it is as wide as its place, and its colours are those of the page.

import { make } from "./elements.js";

export class Plot {
  /** @param {Record<string, any>} [fields] of the canvas */
  constructor(fields = {}) {
    this.canvas = make("canvas", { role: "img", ...fields });
    this.width = 0;
    this.height = 0;
  }

  /** Clears the canvas and returns its context. @param {number} height in CSS pixels */
  show(height) {
    this.width = Math.max(1, this.canvas.clientWidth);
    this.height = height;
    const [across, down] = [Math.round(this.width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    if (this.canvas.width !== across || this.canvas.height !== down) Object.assign(this.canvas, { width: across, height: down });
    this.canvas.style.height = `${height}px`;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    context.setTransform(across / this.width, 0, 0, down / height, 0, 0);
    context.clearRect(0, 0, this.width, height);
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    return context;
  }

  /** Returns a colour of the page, such as "--text". @param {string} name */
  ink(name) {
    return getComputedStyle(this.canvas).getPropertyValue(name);
  }

  /** Returns where a pointer is, in CSS pixels from the canvas's corner. @param {MouseEvent} event @returns {[number, number]} */
  point(event) {
    const place = this.canvas.getBoundingClientRect();
    return [event.clientX - place.left, event.clientY - place.top];
  }
}
