// One row of the passage through the encoder: what is known of the tokens after one block.

import { coloured, VIRIDIS } from "../colours.js";
import { make } from "../elements.js";
import { Plot } from "../plot.js";
import { percent } from "../text.js";

/**
 * What a row shows; null for what is not known.
 * @typedef {Object} Known
 * @property {Float32Array} norms of the patches, as multiples of their median
 * @property {{label: string, share: number, text: string} | null} lens
 * @property {{entropies: Float32Array, distances: Float32Array} | null} figures
 * @property {[number, number] | null} updates lengths of what attention and the MLP added
 */

/** Norms are drawn from 0 to so many times their median. */
export const MOST = 3;

export class BlockRow {
  /** @param {number} state 0 before the first block @param {() => void} chosen */
  constructor(state, chosen) {
    this.state = state;
    this.norms = make("canvas", { className: "pixels", "aria-hidden": "true" });
    this.lens = make("td", { className: "lens" });
    this.entropy = new Plot({ "aria-hidden": "true" });
    this.distance = new Plot({ "aria-hidden": "true" });
    this.share = make("td", { className: "share" });
    const cell = (/** @type {string} */ name, /** @type {Node[]} */ ...children) => make("td", { className: name }, ...children);
    this.texts = [make("span", { className: "small" }), make("span", { className: "small" })];
    this.pick = make("button", { type: "button", textContent: state ? `${state}` : "x₀", "aria-label": state ? `block ${state}` : "x₀, before the first block" });
    this.pick.addEventListener("click", chosen);
    this.pick.disabled = !state;
    this.element = make("tr", {}, make("th", { scope: "row" }, this.pick), cell("norm", this.norms), this.lens,
      cell("dots", this.entropy.canvas, this.texts[0]), cell("dots", this.distance.canvas, this.texts[1]), this.share);
    this.drawn = "";
  }

  /**
   * @param {Known} known @param {number} width of the grid in patches @param {number} head that is selected, or -1
   * @param {{bits: number, pixels: number}} most of entropy and of distance @param {boolean} selected
   * @param {string} of changes when anything of it does
   */
  show({ norms, lens, figures, updates }, width, head, most, selected, of) {
    this.element.toggleAttribute("aria-current", selected);
    this.pick.setAttribute("aria-pressed", `${selected}`);
    if (this.drawn === of) return;
    this.drawn = of;
    Object.assign(this.norms, { width, height: norms.length / width });
    this.norms.getContext("2d")?.putImageData(coloured(norms, width, VIRIDIS, [0, MOST]), 0, 0);
    this.lens.replaceChildren(...(lens ? said(lens.text, lens.share, lens.label) : ["–"]));
    dots(this.entropy, figures?.entropies ?? null, most.bits, head);
    dots(this.distance, figures?.distances ?? null, most.pixels, head);
    this.texts[0].textContent = figures ? `${meanOr(figures.entropies, head).toFixed(2)} bits` : this.state ? "not here yet" : "";
    this.texts[1].textContent = figures ? `${meanOr(figures.distances, head).toFixed(0)} px` : "";
    this.share.replaceChildren(...(updates ? shared(updates) : [this.state ? "–" : ""]));
  }
}

/** @param {Float32Array} values @param {number} head */
const meanOr = (values, head) => (head >= 0 ? values[head] : values.reduce((sum, each) => sum + each, 0) / values.length);

/** A bar with a share and its name. @param {string} text @param {number} share @param {string} label */
const said = (text, share, label) => {
  const filled = make("div");
  filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
  return [make("span", { className: "name", textContent: label }), ` ${text}`, make("div", { className: "meter" }, filled)];
};

/** @param {[number, number]} lengths */
const shared = ([attention, mlp]) => {
  const share = attention / (attention + mlp || 1);
  return said(`${percent(share)}`, share, "attention").concat();
};

/** Draws a dot for each head, and a line at their mean. @param {Plot} plot @param {Float32Array | null} values @param {number} most @param {number} head */
const dots = (plot, values, most, head) => {
  const context = plot.show(20);
  const across = (/** @type {number} */ value) => 5 + (Math.min(value / most, 1)) * (plot.width - 10);
  context.fillStyle = plot.ink("--line");
  context.fillRect(5, 9.5, plot.width - 10, 1);
  if (!values) return;
  context.globalAlpha = 0.65;
  context.fillStyle = plot.ink("--accent");
  values.forEach((value) => dot(context, across(value), 3.5));
  context.globalAlpha = 1;
  context.fillStyle = plot.ink("--for") || plot.ink("--text");
  if (head >= 0) dot(context, across(values[head]), 5);
  else context.fillRect(across(meanOr(values, -1)) - 1, 2, 2, 16);
};

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} radius */
const dot = (context, x, radius) => {
  context.beginPath();
  context.arc(x, 10, radius, 0, 2 * Math.PI);
  context.fill();
};
