// The panels, each drawn anew from what is shown: photo, answer, and what is selected.

import { coloured } from "./colours.js";
import { drawPhoto, outlinePatch } from "./draw.js";
import { corner, gridBox, placeOf } from "./geometry.js";
import { rank } from "./maps.js";

const percent = (share) => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}\u00a0%`;
const element = (id) => /** @type {any} */ (document.getElementById(id));
const whole = ({ image_width: width, image_height: height }) => ({ left: 0, top: 0, width, height });

/** Draws the photo, greyed where the model did not look. */
export const drawSeen = (view, shown) => {
  const { geometry } = shown;
  const { x0, y0, x1, y1 } = geometry.seen;
  const context = view.show(whole(geometry));
  context.filter = "grayscale(1)";
  drawPhoto(context, shown);
  context.filter = "none";
  context.fillStyle = "rgba(128, 128, 128, 0.5)";
  context.fillRect(0, 0, geometry.image_width, geometry.image_height);
  context.save();
  context.beginPath();
  context.rect(x0, y0, x1 - x0, y1 - y0);
  context.clip();
  drawPhoto(context, shown);
  context.restore();
  context.strokeStyle = "#ffd500";
  context.lineWidth = (3 * devicePixelRatio) / view.scale;
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  const share = ((x1 - x0) * (y1 - y0)) / (geometry.image_width * geometry.image_height);
  const text = `Of ${geometry.image_width} × ${geometry.image_height} pixels the model saw ${percent(share)}, from column `
    + `${Math.round(x0)} to ${Math.round(x1)} and row ${Math.round(y0)} to ${Math.round(y1)}, resized to `
    + `${geometry.model_width} × ${geometry.model_height}.`;
  element("seen-text").textContent = text;
  view.canvas.setAttribute("aria-label", `The photo. ${text}`);
};

/** Draws the part that the model saw, cut into patches, and the selected one enlarged. */
export const drawPatches = (view, shown) => {
  const { geometry, patch } = shown;
  const { grid_rows: rows, grid_cols: cols } = geometry;
  const context = view.show(gridBox(geometry));
  drawPhoto(context, shown);
  context.strokeStyle = "rgba(255, 255, 255, 0.85)";
  context.lineWidth = Math.min(2 * devicePixelRatio, (gridBox(geometry).width * view.scale) / cols / 8) / view.scale;
  context.beginPath();
  for (let row = 0; row <= rows; row += 1) {
    context.moveTo(...corner(geometry, 0, row));
    context.lineTo(...corner(geometry, cols, row));
  }
  for (let col = 0; col <= cols; col += 1) {
    context.moveTo(...corner(geometry, col, 0));
    context.lineTo(...corner(geometry, col, rows));
  }
  context.stroke();
  if (patch === null) {
    element("patch").textContent = `${rows * cols} patches, ${rows} rows of ${cols}, each of ${geometry.patch_width} × `
      + `${geometry.patch_height} pixels of the model's input. Point at one, or use the arrow keys.`;
    return;
  }
  outlinePatch(context, geometry, patch, view.scale);
  drawClose(shown);
  const [row, col] = placeOf(geometry, patch);
  element("patch").textContent = `Patch ${patch + 1} of ${rows * cols}: row ${row + 1}, column ${col + 1}.${valueOf(shown)}`;
};

/** Draws the selected patch as large as its canvas. */
const drawClose = (shown) => {
  const canvas = /** @type {HTMLCanvasElement} */ (element("patch-close"));
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const [row, col] = placeOf(shown.geometry, shown.patch);
  const [x0, y0] = corner(shown.geometry, col, row);
  const [x1, y1] = corner(shown.geometry, col + 1, row + 1);
  context.resetTransform();
  context.clearRect(0, 0, canvas.width, canvas.height);
  const [across, down] = [canvas.width / (x1 - x0), canvas.height / (y1 - y0)];
  context.setTransform(across, 0, 0, down, -x0 * across, -y0 * down);
  drawPhoto(context, shown);
};

/** Returns what is known of the selected patch in the map that is shown. */
const valueOf = ({ maps, layer, head, patch }) => {
  if (!maps.layers.length) return "";
  const all = maps.get(layer, head);
  const value = maps.method === "attention" ? percent(all[patch]) : all[patch].toPrecision(3);
  return ` ${maps.method === "attention" ? "Attention" : "Share"} ${value}, number ${rank(all, patch)} of ${all.length}.`;
};

/** Shows the classes with bars. */
export const showPrediction = ({ answer }) => {
  const plain = answer.activation === "none";
  const most = plain ? Math.max(...answer.classes.map((each) => Math.abs(each.logit)), 1e-9) : 1;
  const rows = answer.classes.map((each) => {
    const [row, bar, value] = ["tr", "td", "td"].map((tag) => document.createElement(tag));
    const [name, filled] = [document.createElement("th"), document.createElement("div")];
    filled.style.width = `${((plain ? Math.abs(each.logit) : each.probability) / most) * 100}%`;
    name.textContent = each.label;
    name.scope = "row";
    bar.className = "bar";
    bar.append(filled);
    value.textContent = plain ? each.logit.toPrecision(4) : percent(each.probability);
    row.append(name, bar, value);
    return row;
  });
  element("prediction").tBodies[0].replaceChildren(...rows);
  const { total_seconds: seconds, engine } = answer.timing;
  const texts = { softmax: "Probabilities of all classes together are 100\u00a0%.", sigmoid: "Each label has a probability of its own." };
  element("prediction-text").textContent = `${texts[answer.activation] ?? "Values of the model's outputs."} `
    + `${answer.model}, version ${answer.version}, in ${(seconds * 1000).toFixed(0)} ms on ${engine}.`;
};

const TITLES = {
  attention: ["What it attended to", "why. Attention says where information was taken from, not whether it spoke for a class or against it."],
  cam: ["What spoke for the first class", "what the model made of a patch before its last layer, where all of them have seen each other."],
};

/** Names the panel of the maps by how they are made. */
export const titleMaps = ({ maps }) => {
  const [title, limits] = TITLES[maps.method] ?? [`Map: ${maps.method}`, "what else the model computed."];
  element("attention-title").textContent = title;
  element("attention-limits").textContent = `Not shown: ${limits}`;
};

/** Draws the selected map over the photo. */
export const drawAttention = (view, shown) => {
  const { geometry, maps, layer, head, patch, opacity, smooth } = shown;
  if (!maps.layers.length) return;
  const values = maps.get(layer, head);
  const context = view.show(whole(geometry));
  drawPhoto(context, shown);
  const heat = new OffscreenCanvas(geometry.grid_cols, geometry.grid_rows);
  /** @type {OffscreenCanvasRenderingContext2D} */ (heat.getContext("2d")).putImageData(coloured(values, geometry.grid_cols), 0, 0);
  const [a, b, c, d, e, f] = geometry.grid_to_image;
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.transform(a, d, b, e, c, f);
  context.drawImage(heat, 0, 0);
  context.restore();
  if (patch !== null) outlinePatch(context, geometry, patch, view.scale);
  const best = values.indexOf(Math.max(...values));
  const [row, col] = placeOf(geometry, best);
  const which = head < 0 ? "the mean over its heads" : `its head ${head + 1}`;
  const text = `Layer ${layer + 1}, ${which}: most at row ${row + 1}, column ${col + 1}`
    + `${maps.method === "attention" ? `, ${percent(values[best])} of all attention` : ""}; yellow is most, dark is least.`;
  element("attention-text").textContent = text;
  view.canvas.setAttribute("aria-label", `A map over the photo. ${text}`);
};

