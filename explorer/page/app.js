// The page: what is shown, and what changes it.

import { fromAddress, toAddress } from "./address.js";
import { classify, getModel, listModels, Refused } from "./api.js";
import { View } from "./draw.js";
import { patchAt, placeOf } from "./geometry.js";
import { Maps } from "./maps.js";
import { drawAttention, drawPatches, drawSeen, showPrediction, titleMaps } from "./panels.js";

const element = (id) => /** @type {any} */ (document.getElementById(id));
const views = { seen: new View(element("seen")), patches: new View(element("patches")), attention: new View(element("attention")) };
/** What is shown; null before the first answer. @type {any} */
let shown = null;
/** The file that was asked about. @type {Blob | null} */
let file = null;
let asking = new AbortController();
const say = (status, problem = "") => {
  element("status").textContent = status;
  element("problem").textContent = problem;
};

const draw = () => {
  if (!shown) return;
  drawSeen(views.seen, shown);
  drawPatches(views.patches, shown);
  drawAttention(views.attention, shown);
  toAddress({ ...shown, model: shown.answer.model, layer: shown.layer ?? -1 });
};

/** Changes what is selected, and draws once before the next frame. */
let planned = 0;
const select = (changes) => {
  if (!shown) return;
  Object.assign(shown, changes);
  cancelAnimationFrame(planned);
  planned = requestAnimationFrame(draw);
};

/** Asks about a file, and shows the answer. An answer that was asked for before is not waited for. */
const show = async (photo) => {
  file = photo;
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  say("Asking the model …");
  try {
    const name = element("model").value;
    if (!name) throw new Refused("No model is ready. The server may still be loading one; reload the page in a moment.");
    const [model, picture] = await Promise.all([getModel(name), createImageBitmap(photo).catch(() => null)]);
    const answer = await classify(photo, model, signal);
    if (signal.aborted) return;
    begin(answer, picture);
    say(picture ? "" : "This browser cannot show the photo; the model could read it.");
  } catch (error) {
    if (signal.aborted) return;
    say("", error instanceof Refused ? error.message : `Something went wrong in this page: ${error}`);
    if (!(error instanceof Refused)) throw error;
  }
};

const begin = (answer, photo) => {
  const maps = new Maps(answer.maps);
  const wanted = fromAddress();
  const layer = maps.layers.includes(wanted.layer) ? wanted.layer : maps.layers.at(-1);
  const head = maps.heads.includes(wanted.head) ? wanted.head : -1;
  const { geometry } = answer;
  const patch = wanted.patch >= 0 && wanted.patch < geometry.grid_rows * geometry.grid_cols ? wanted.patch : null;
  const [opacity, smooth] = [Number(element("opacity").value), element("smooth").checked];
  shown = { answer, photo, maps, geometry, layer, head, patch, opacity, smooth };
  const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });
  element("head").replaceChildren(option(-1, "mean of all"), ...maps.heads.map((each) => option(each, each + 1)));
  element("head").value = head;
  Object.assign(element("layer"), { max: maps.layers.length - 1, value: maps.layers.indexOf(layer) });
  element("layer-text").textContent = `${(layer ?? 0) + 1}`;
  element("attention-panel").hidden = !maps.layers.length;
  element("panels").hidden = false;
  showPrediction(shown);
  titleMaps(shown);
  draw();
};

const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
const key = (event) => {
  if (!shown) return;
  const { grid_rows: rows, grid_cols: cols } = shown.geometry;
  const [row, col] = placeOf(shown.geometry, shown.patch ?? 0);
  const clamp = (value, most) => Math.min(Math.max(value, 0), most - 1);
  if (event.key in move && shown.patch === null) select({ patch: 0 });
  else if (event.key in move) {
    const [down, right] = move[event.key];
    select({ patch: clamp(row + down, rows) * cols + clamp(col + right, cols) });
  } else if (event.key === "Home") select({ patch: row * cols });
  else if (event.key === "End") select({ patch: row * cols + cols - 1 });
  else if (event.key === "Escape") select({ patch: null });
  else return;
  event.preventDefault();
};

const take = (items) => {
  const found = [...items].find((each) => each.type.startsWith("image/")) ?? items[0];
  if (found) show(found);
};
element("file").addEventListener("change", () => take(element("file").files));
element("ask").addEventListener("submit", (event) => event.preventDefault());
element("model").addEventListener("change", () => file && show(file));
document.addEventListener("paste", (event) => take(event.clipboardData?.files ?? []));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
});
document.addEventListener("dragleave", () => element("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  take(event.dataTransfer?.files ?? []);
});
for (const view of [views.patches, views.attention, views.seen]) {
  const point = (event) => {
    const [x, y] = view.point(event);
    select({ patch: shown && patchAt(shown.geometry, x, y) });
  };
  view.canvas.addEventListener("pointermove", point);
  view.canvas.addEventListener("pointerdown", point);
}
element("patches").addEventListener("keydown", key);
element("layer").addEventListener("input", () => {
  const layer = shown?.maps.layers[Number(element("layer").value)] ?? 0;
  element("layer-text").textContent = `${layer + 1}`;
  select({ layer });
});
element("head").addEventListener("change", () => select({ head: Number(element("head").value) }));
element("opacity").addEventListener("input", () => select({ opacity: Number(element("opacity").value) }));
element("smooth").addEventListener("change", () => select({ smooth: element("smooth").checked }));
new ResizeObserver(() => select({})).observe(element("panels"));

try {
  const names = await listModels();
  element("model").replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name, textContent: name })));
  if (names.includes(fromAddress().model)) element("model").value = fromAddress().model;
  say(names.length ? "" : "No model is ready yet.");
} catch (error) {
  say("", `${error instanceof Refused ? error.message : error}`);
}
