// The patches, drawn apart, and the selected one enlarged.

import { drawPhoto } from "../draw.js";
import { make } from "../elements.js";
import { corner, gridBox, placeOf } from "../geometry.js";
import { PatchGrid } from "../grid.js";
import { markPatches } from "../marks.js";
import { asImage, modelPixels } from "../pixels.js";
import { tile } from "../heat.js";
import { counted, placeText } from "../text.js";

/** How much of its place a patch fills. */
const FILLED = 0.9;

/** @type {import("../panel.js").Panel} */
export default {
  id: "patches",
  title: "Patches",
  about: "The input is cut into squares of the same size: the words that the model reads. Point at one; click to keep it selected everywhere.",
  limits: "that borders cut through things. The model has to find out for itself which patches belong together.",
  mount: (body, store) => {
    const grid = new PatchGrid(store, "Patches of the photo");
    const close = make("canvas", { role: "img", className: "pixels", "aria-label": "the selected patch, as the model's pixels" });
    const text = make("p", { className: "text", "aria-live": "polite" });
    const hint = make("p", { className: "small", textContent: "Keys: arrows move, Home and End go to the ends of a row, Enter keeps a patch, Escape lets go." });
    const side = make("div", { className: "terms" }, make("figure", {}, close, make("figcaption", { textContent: "as pixels" })));
    body.append(make("div", { className: "split" }, grid.element, make("div", {}, text, side, hint)));
    return (state, subject) => {
      const { geometry } = subject;
      drawApart(grid, subject, state.patch);
      markPatches(grid.view.context, geometry, { ...state, patch: null, pinned: state.pinned === state.patch ? null : state.pinned }, grid.view.scale);
      side.hidden = state.patch === null || !subject.picture;
      if (!side.hidden) drawClose(close, subject, Number(state.patch));
      text.textContent = describe(geometry, state.patch);
    };
  },
};

/** @param {any} geometry @param {number | null} patch */
const describe = (geometry, patch) => {
  const { grid_rows: rows, grid_cols: cols, patch_width: width, patch_height: height } = geometry;
  const numbers = `${width} × ${height} pixels in three colours, ${counted(width * height * 3, "number")}`;
  if (patch === null) return `${rows * cols} patches, ${rows} rows of ${cols}, each of ${numbers}.`;
  return `Patch ${patch + 1} of ${rows * cols}: ${placeText(geometry, patch)}. ${numbers}.`;
};

/** Draws patches with gaps between them, and the selected one larger than its place. @param {PatchGrid} grid @param {any} subject @param {number | null} selected */
const drawApart = (grid, subject, selected) => {
  const { geometry } = subject;
  const context = grid.show(geometry, gridBox(geometry));
  const count = geometry.grid_rows * geometry.grid_cols;
  for (let patch = 0; patch < count; patch += 1) drawPatch(context, subject, patch, FILLED);
  if (selected === null) return;
  context.shadowColor = "rgba(0, 0, 0, 0.6)";
  context.shadowBlur = 12 * devicePixelRatio;
  drawPatch(context, subject, selected, 1.9, true);
  context.shadowBlur = 0;
};

/** Draws one patch around its centre, or as near to it as fits. @param {CanvasRenderingContext2D} context @param {any} subject @param {number} patch @param {number} size @param {boolean} [framed] */
const drawPatch = (context, subject, patch, size, framed = false) => {
  const { geometry } = subject;
  const [row, col] = placeOf(geometry, patch);
  const [x0, y0] = corner(geometry, col, row);
  const [x1, y1] = corner(geometry, col + 1, row + 1);
  const box = gridBox(geometry);
  const inside = (/** @type {number} */ at, /** @type {number} */ low, /** @type {number} */ high) => Math.min(Math.max(at, low), Math.max(low, high));
  const [width, height] = [(x1 - x0) * size, (y1 - y0) * size];
  const left = inside((x0 + x1 - width) / 2, box.left, box.left + box.width - width);
  const top = inside((y0 + y1 - height) / 2, box.top, box.top + box.height - height);
  context.save();
  if (framed) {
    context.fillStyle = "#ffd500";
    const edge = width * 0.05;
    context.fillRect(left - edge, top - edge, width + 2 * edge, height + 2 * edge);
    context.shadowBlur = 0;
  }
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.translate(left - x0 * size, top - y0 * size);
  context.scale(size, size);
  drawPhoto(context, subject);
  context.restore();
};

/** Draws a patch pixel by pixel. @param {HTMLCanvasElement} canvas @param {any} subject @param {number} patch */
const drawClose = (canvas, subject, patch) => {
  const { patch_width: width, patch_height: height } = subject.geometry;
  const [row, col] = placeOf(subject.geometry, patch);
  Object.assign(canvas, { width, height });
  canvas.getContext("2d")?.drawImage(tile(asImage(modelPixels(subject))), -col * width, -row * height);
};
