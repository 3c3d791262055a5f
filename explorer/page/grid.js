// A canvas with an accessible grid of patches over it: one tab stop, arrow keys, a name for each patch.

import { View } from "./draw.js";
import { make } from "./elements.js";
import { gridBox, patchAt } from "./geometry.js";
import { placeText } from "./text.js";

/** How many rows and columns each key moves; Infinity: to the end. @type {Record<string, [number, number]>} */
const MOVES = {
  ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1],
  Home: [0, -Infinity], End: [0, Infinity], PageUp: [-Infinity, 0], PageDown: [Infinity, 0],
};

export class PatchGrid {
  /** @param {import("./store.js").Store} store @param {string} label of the grid, for screen readers */
  constructor(store, label) {
    this.store = store;
    this.canvas = make("canvas", { "aria-hidden": "true" });
    this.view = new View(this.canvas);
    this.cells = make("div", { className: "cells", role: "grid", "aria-label": label });
    this.element = make("div", { className: "stage" }, this.canvas, this.cells);
    this.geometry = /** @type {any} */ (null);
    /** @type {(patch: number) => string} */
    this.name = () => "";
    this.at = 0;
    this.naming = 0;
    this.cells.addEventListener("pointermove", (event) => store.hover(this.patchOf(event)));
    this.cells.addEventListener("pointerleave", () => store.hover(null));
    this.cells.addEventListener("click", (event) => this.choose(this.patchOf(event), event.shiftKey));
    this.cells.addEventListener("keydown", (event) => this.key(event));
    this.cells.addEventListener("focusout", () => store.hover(null));
  }

  /**
   * Shows a box of the photo and returns the canvas's context, whose unit is a pixel of the photo.
   * @param {any} geometry @param {{left: number, top: number, width: number, height: number}} box
   * @param {(patch: number) => string} [name] says more about a patch than its place, for screen readers
   */
  show(geometry, box, name = () => "") {
    this.name = name;
    if (this.geometry?.grid_rows !== geometry.grid_rows || this.geometry?.grid_cols !== geometry.grid_cols) this.build(geometry);
    this.geometry = geometry;
    const grid = gridBox(geometry);
    const share = (/** @type {number} */ length, /** @type {number} */ whole) => `${(length / whole) * 100}%`;
    Object.assign(this.cells.style, {
      left: share(grid.left - box.left, box.width), top: share(grid.top - box.top, box.height),
      width: share(grid.width, box.width), height: share(grid.height, box.height),
    });
    clearTimeout(this.naming);
    this.naming = setTimeout(() => this.cellsNow().forEach((_, patch) => this.label(patch)), 250);
    if (this.cells.contains(document.activeElement)) this.label(this.at);
    return this.view.show(box);
  }

  /** @param {any} geometry */
  build({ grid_rows: rows, grid_cols: cols }) {
    this.at = Math.min(this.at, rows * cols - 1);
    this.cells.style.gridTemplate = `repeat(${rows}, 1fr) / repeat(${cols}, 1fr)`;
    const row = (/** @type {number} */ at) => make("div", { role: "row" }, ...Array.from({ length: cols }, (_, col) => {
      const patch = at * cols + col;
      return make("div", { role: "gridcell", tabIndex: patch === this.at ? 0 : -1 });
    }));
    this.cells.replaceChildren(...Array.from({ length: rows }, (_, at) => row(at)));
  }

  /** @returns {NodeListOf<HTMLElement>} */
  cellsNow() {
    return this.cells.querySelectorAll("[role=gridcell]");
  }

  /** @param {number} patch */
  label(patch) {
    const more = this.name(patch);
    const cell = this.cellsNow()[patch];
    cell.setAttribute("aria-label", `${placeText(this.geometry, patch)}${more ? `, ${more}` : ""}`);
    cell.setAttribute("aria-selected", `${patch === this.store.state.pinned}`);
  }

  /** @param {MouseEvent} event */
  patchOf(event) {
    if (!this.geometry) return null;
    const [x, y] = this.view.point(event);
    return patchAt(this.geometry, x, y);
  }

  /** @param {number | null} patch @param {boolean} beside */
  choose(patch, beside) {
    if (patch === null) return;
    this.focus(patch);
    if (beside && this.store.state.pinned !== null) this.store.compare(patch);
    else this.store.pin(patch);
  }

  /** Makes a patch the one that Tab leads to. @param {number} patch */
  focus(patch) {
    const cells = this.cellsNow();
    cells[this.at].tabIndex = -1;
    this.at = patch;
    cells[patch].tabIndex = 0;
    this.label(patch);
    cells[patch].focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { grid_rows: rows, grid_cols: cols } = this.geometry;
    const clamp = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most - 1);
    if (event.key in MOVES) {
      const [down, right] = MOVES[event.key];
      const whole = event.ctrlKey && right !== 0 && !Number.isFinite(right) ? right : down;
      const row = clamp(Math.floor(this.at / cols) + whole, rows);
      this.focus(row * cols + clamp((this.at % cols) + right, cols));
      this.store.hover(this.at);
    } else if (event.key === "Enter" || event.key === " ") this.choose(this.at, event.shiftKey);
    else if (event.key === "Escape" && this.store.state.pinned !== null) this.store.pin(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
