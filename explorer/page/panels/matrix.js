// One attention matrix as a heat map, linked to the photo.

import { VIRIDIS } from "../colours.js";
import { bar, tick } from "../controls.js";
import { outlinePatch } from "../draw.js";
import { make } from "../elements.js";
import { largest } from "../encoder/lens.js";
import { PhotoMap } from "../encoder/photomap.js";
import { tokenName, whereText } from "../encoder/query.js";
import { matrixTile, scaled } from "../encoder/ruled.js";
import { Plot } from "../plot.js";
import { Scale } from "../scale.js";
import { percent } from "../text.js";

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** @type {import("../panel.js").Panel} */
export default {
  id: "matrix",
  title: "Attention matrix",
  about: "All attention of one head at once: each row is a token that asks, each column a token that is read; each row adds up to 100 %. Lines part the tokens that are no patches.",
  limits: "which of these numbers matter. Attention to a token whose value is small changes little.",
  needs: ["inside"],
  mount: (body, store) => new MatrixPanel(body, store).draw,
};

class MatrixPanel {
  /** @param {HTMLElement} body @param {import("../store.js").Store} store */
  constructor(body, store) {
    this.store = store;
    /** null: the token that the row attends to most. @type {number | null} */
    this.key = null;
    this.query = 0;
    this.read = 0;
    /** @type {any} */
    this.inside = null;
    /** @type {{of: string, inside: any, tile: OffscreenCanvas, values: Float32Array} | null} */
    this.drawn = null;
    this.plot = new Plot({ className: "matrix", tabIndex: 0, role: "application", "aria-roledescription": "matrix" });
    this.logarithmic = tick("logarithmic", true, () => store.set({}));
    this.scale = new Scale(VIRIDIS, "of a token's attention");
    this.map = new PhotoMap(store, "Attention of the row", undefined, "of its attention");
    this.text = make("p", { className: "text", "aria-live": "polite" });
    body.append(make("div", { className: "split" }, make("div", {}, bar(this.logarithmic.element), this.plot.canvas, this.scale.element), make("div", {}, this.text, this.map.element)));
    this.plot.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.plot.canvas.addEventListener("pointerdown", (event) => this.point(event));
    this.plot.canvas.addEventListener("pointerleave", () => store.hover(null));
    this.plot.canvas.addEventListener("click", () => this.patch(this.query) !== store.state.pinned && store.pin(this.patch(this.query)));
    this.plot.canvas.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {number} token */
  patch(token) {
    return token < this.inside.tokens.first_patch ? null : token - this.inside.tokens.first_patch;
  }

  /** Selects a cell. @param {number} query @param {number} key */
  select(query, key) {
    const most = this.inside.tokens.count - 1;
    this.query = Math.min(Math.max(query, 0), most);
    this.key = Math.min(Math.max(key, 0), most);
    const patch = this.patch(this.query);
    this.store.set({ patch });
  }

  /** @param {MouseEvent} event */
  point(event) {
    if (!this.inside) return;
    const [x, y] = this.plot.point(event);
    const count = this.inside.tokens.count;
    this.select(Math.floor((y / this.plot.height) * count), Math.floor((x / this.plot.width) * count));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (!this.inside || !(event.key in MOVES)) return;
    const [down, right] = MOVES[event.key];
    this.select(this.query + down, this.read + right);
    event.preventDefault();
  }

  /** @type {import("../panel.js").Draw} */
  draw = (state, subject) => {
    const inside = subject.inside().value;
    const { layer, head, patch } = state;
    if (inside !== this.inside) [this.inside, this.query, this.key] = [inside, 0, null];
    if (patch !== null) this.query = inside.tokens.first_patch + patch;
    else if (this.query >= inside.tokens.first_patch) this.query = 0;
    const values = inside.matrix(layer, head);
    this.text.textContent = values ? "" : "Waiting for the server …";
    if (!values) return;
    const { count, first_patch: first } = inside.tokens;
    const logarithmic = this.logarithmic.input.checked;
    const of = `${layer} ${head} ${logarithmic}`;
    if (this.drawn?.of !== of || this.drawn.inside !== inside) this.drawn = { of, inside, values, tile: matrixTile(values, count, logarithmic) };
    const [low, high] = scaled(values, logarithmic).limits.map((each) => (logarithmic ? 10 ** each : each));
    this.scale.show(low < 1e-4 ? (low ? `${(low * 100).toPrecision(1)}\u00a0%` : "0\u00a0%") : percent(low), percent(high));
    const row = values.slice(this.query * count, (this.query + 1) * count);
    const key = this.key ?? largest(row);
    this.read = key;
    this.picture(count, first, this.drawn.tile, key);
    const [asks, read] = [this.query, key].map((token) => tokenName(inside.tokens, token, subject.geometry));
    this.map.show(state, subject, row.subarray(first), `What ${asks} attends to`, { limits: [0, Math.max(...row.subarray(first))] });
    if (key >= first) outlinePatch(this.map.grid.view.context, subject.geometry, key - first, this.map.grid.view.scale, "#4fd1ff");
    const rank = row.reduce((/** @type {number} */ before, /** @type {number} */ each) => before + (each > row[key] ? 1 : 0), 1);
    this.text.textContent = `In ${whereText(layer, head)}, ${asks} gives ${percent(row[key])} of its attention to ${read}: number ${rank} of ${count}.`;
    this.plot.canvas.setAttribute("aria-label", `Attention matrix of ${count} by ${count}. ${this.text.textContent}`);
  };

  /** @param {number} count @param {number} first @param {OffscreenCanvas} picture @param {number} key */
  picture(count, first, picture, key) {
    const size = Math.min(this.plot.canvas.clientWidth, 560);
    const context = this.plot.show(size);
    const cell = size / count;
    context.imageSmoothingEnabled = cell < 1;
    context.drawImage(picture, 0, 0, size, size);
    context.fillStyle = "#ffffff";
    if (first) {
      context.fillRect(first * cell - 0.5, 0, 1, size);
      context.fillRect(0, first * cell - 0.5, size, 1);
    }
    context.strokeStyle = "#ffd500";
    context.lineWidth = 1;
    context.strokeRect(0, this.query * cell, size, cell);
    context.strokeStyle = "#4fd1ff";
    context.strokeRect(key * cell, 0, cell, size);
  }
}
