// The patch embedding: each patch becomes a vector, by dot products with filters.

import { around, BLUE_ORANGE, colourOf } from "../colours.js";
import { bar, slider } from "../controls.js";
import { make } from "../elements.js";
import { embed, filterImage, placeOfPatch, productsOf, windowOf } from "../kernel.js";
import { modelPixels } from "../pixels.js";
import { fit } from "../plain.js";
import { counted, placeText, signed, term } from "../text.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "embedding",
  title: "Patch embedding",
  about: "Each patch becomes a token, a list of numbers: each of them is the dot product of its pixels with one learned filter. "
    + "As all patches have the same filters, this is a convolution whose kernel and stride are the patch.",
  limits: "what any one number means. Only all of them together say something, and only to the layers that follow.",
  needs: ["embedding"],
  mount: (body, store) => {
    let filter = 0;
    const number = slider("Filter", { min: 1, max: 1, value: 1 }, (value) => { filter = value - 1; store.set({}); });
    const terms = ["the patch", "filter", "product"].map((name) => figure(name));
    const [formula, text, check] = [make("p", { className: "formula" }), make("p", { className: "text", "aria-live": "polite" }), make("p", { className: "small" })];
    const strip = make("canvas", { className: "strip pixels", role: "img", "aria-label": "the numbers of the token as colours" });
    const bars = make("canvas", { className: "bars", role: "img" });
    const pick = (/** @type {PointerEvent} */ event) => {
      const place = bars.getBoundingClientRect();
      number.show(Math.min(Math.floor(((event.clientX - place.left) / place.width) * count), count - 1) + 1);
      filter = number.input.valueAsNumber - 1;
      store.set({});
    };
    let count = 1;
    bars.addEventListener("pointermove", pick);
    bars.addEventListener("pointerdown", pick);
    const sheet = make("div", { className: "tiles" });
    const drawn = make("div", { className: "terms" }, terms[0].element, "⊙", terms[1].element, "=", terms[2].element);
    const left = make("div", {}, text, drawn, formula, bar(number.element), strip, bars, check);
    const about = make("p", { className: "small" });
    body.append(make("div", { className: "split" }, left, make("div", {}, make("h4", { textContent: "Principal filters" }), about, sheet)));
    let filled = false;
    return (state, subject) => {
      const embedding = subject.served.embedding().value;
      const { kernel, bias } = embedding.arrays;
      const size = kernel.shape.slice(2);
      count = kernel.shape[0];
      number.show(filter + 1, count);
      if (!filled) fillSheet(sheet, about, embedding);
      filled = true;
      const patch = state.patch ?? Math.floor(subject.geometry.grid_rows / 2) * subject.geometry.grid_cols + Math.floor(subject.geometry.grid_cols / 2);
      const [row, col] = placeOfPatch(embedding, subject.geometry, patch);
      const pixels = windowOf(embedding, modelPixels(subject), row, col);
      const token = embed(embedding, pixels);
      const products = productsOf(embedding, pixels, filter);
      [pixels, kernel.values.subarray(filter * pixels.length, (filter + 1) * pixels.length), products].forEach((values, at) => terms[at].show(values, size));
      terms[1].caption.textContent = `filter ${filter + 1}`;
      formula.textContent = `token[${filter + 1}] = Σ patch ⊙ filter ${filter + 1} + bias = ${signed(token[filter] - bias.values[filter])} ${term(bias.values[filter])} = ${signed(token[filter])}`;
      text.textContent = `${state.patch === null ? "No patch is selected; this is one in the middle" : "The selected patch"}: ${placeText(subject.geometry, patch)}. `
        + `Its ${counted(pixels.length, "number")}, normalised, times ${counted(count, "filter")}: `
        + `${counted(count, "dot product")}, its token.`;
      drawStrip(strip, token);
      drawBars(bars, token, filter);
      bars.setAttribute("aria-label", `${count} dot products from ${signed(Math.min(...token))} to ${signed(Math.max(...token))}; the slider above selects one`);
      check.textContent = checked(embedding, subject, row, col, patch, token);
    };
  },
};

/** @param {string} name */
const figure = (name) => {
  const canvas = make("canvas", { className: "pixels", role: "img", "aria-label": name });
  const caption = make("figcaption", { textContent: name });
  /** @param {Float32Array} values @param {number[]} size */
  const show = (values, size) => {
    const image = filterImage(values, size);
    Object.assign(canvas, { width: image.width, height: image.height });
    canvas.getContext("2d")?.putImageData(image, 0, 0);
  };
  return { element: make("figure", {}, canvas, caption), caption, show };
};

/** Compares the length of the token with what the model's own graph has, where that adds a position and no more. */
const checked = (/** @type {any} */ embedding, /** @type {any} */ subject, /** @type {number} */ row, /** @type {number} */ col,
  /** @type {number} */ patch, /** @type {Float32Array} */ token) => {
  const { positions } = embedding.arrays;
  const asked = subject.asked.get("inside")?.value;
  const norms = asked?.whole("token_norms");
  if (!positions || !norms) return "";
  const [rows, cols] = embedding.head.grid;
  if (rows !== subject.geometry.grid_rows || cols !== subject.geometry.grid_cols) return "";
  const start = (positions.shape[0] - rows * cols + row * cols + col) * token.length;
  const length = Math.hypot(...token.map((value, at) => value + positions.values[start + at]));
  const served = norms.values[asked.tokens.first_patch + patch];
  return `With its position added, this token is ${length.toFixed(3)} long; in the graph that the server ran it is ${served.toFixed(3)}.`;
};

/** @param {HTMLElement} sheet @param {HTMLElement} about @param {any} embedding */
const fillSheet = (sheet, about, embedding) => {
  const { principal_filters: filters, principal_shares: shares, kernel } = embedding.arrays;
  const size = filters.shape.slice(2);
  const length = 3 * size[0] * size[1];
  const tiles = Array.from(shares.values, (share, at) => {
    const one = figure(`principal filter ${at + 1}`);
    one.show(filters.values.subarray(at * length, (at + 1) * length), size);
    one.caption.textContent = `${(100 * share).toFixed(1)}\u00a0%`;
    return one.element;
  });
  sheet.replaceChildren(...tiles);
  const sum = shares.values.reduce((/** @type {number} */ whole, /** @type {number} */ share) => whole + share, 0);
  about.textContent = `What the ${kernel.shape[0]} filters have in common, most important first, and their shares of the whole: together ${(100 * sum).toFixed(0)}\u00a0%.`;
};

/** @param {HTMLCanvasElement} canvas @param {Float32Array} token */
const drawStrip = (canvas, token) => {
  Object.assign(canvas, { width: token.length, height: 1 });
  const limits = around(token);
  const image = new ImageData(token.length, 1);
  token.forEach((value, at) => image.data.set([...colourOf(value, limits, BLUE_ORANGE), 255], 4 * at));
  canvas.getContext("2d")?.putImageData(image, 0, 0);
};

/** @param {HTMLCanvasElement} canvas @param {Float32Array} token @param {number} selected */
const drawBars = (canvas, token, selected) => {
  const { context, width, height, colour } = fit(canvas, 96);
  const most = around(token)[1] || 1;
  const step = width / token.length;
  token.forEach((value, at) => {
    context.fillStyle = at === selected ? colour("--text") : colour(value < 0 ? "--against" : "--for");
    const high = (Math.abs(value) / most) * (height / 2 - 1);
    context.fillRect(at * step, value < 0 ? height / 2 : height / 2 - high, Math.max(step - (step > 3 ? 1 : 0), at === selected ? 2 : 0.5), Math.max(high, 0.5));
  });
};
