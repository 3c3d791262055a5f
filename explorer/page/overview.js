// What stays visible while panels are read: the photo with the selected map, the answer, and what is selected.

import { VIRIDIS } from "./colours.js";
import { bar, choice, slider, tick } from "./controls.js";
import { drawPhoto } from "./draw.js";
import { make } from "./elements.js";
import { PatchGrid } from "./grid.js";
import { drawHeat } from "./heat.js";
import { rank } from "./maps.js";
import { markPatches } from "./marks.js";
import { percent } from "./text.js";

export class Overview {
  /** @param {HTMLElement} element @param {import("./store.js").Store} store @param {HTMLElement} contents */
  constructor(element, store, contents) {
    this.store = store;
    this.tops = make("div", { className: "tops" });
    /** @type {{grid: PatchGrid, answer: HTMLElement, element: HTMLElement}[]} */
    this.photos = [];
    this.caption = make("p", { className: "small wide" });
    this.layer = slider("Layer", { min: 0, max: 0, value: 0 }, (layer) => store.set({ layer }), (layer) => `${layer + 1}`);
    this.head = choice("Head", [["-1", "mean of all"]], (head) => store.set({ head: Number(head) }));
    const { state } = store;
    const opacity = slider("Map", { min: 0, max: 1, step: 0.05, value: state.opacity }, (value) => store.set({ opacity: value }), (value) => `${Math.round(value * 100)}\u00a0%`);
    const smooth = tick("smooth", state.smooth, (checked) => store.set({ smooth: checked }));
    const ids = /** @type {[HTMLElement, string][]} */ ([[this.layer.input, "layer"], [this.head.input, "head"], [opacity.input, "opacity"], [smooth.input, "smooth"]]);
    for (const [input, id] of ids) input.id = id;
    opacity.element.classList.add("wide");
    smooth.element.classList.add("wide");
    this.controls = bar(this.layer.element, this.head.element, opacity.element, smooth.element);
    element.append(this.tops, make("div", {}, this.caption, this.controls), contents);
  }

  /** @param {number} at */
  photo(at) {
    const grid = new PatchGrid(this.store, at ? "The second photo, by patches" : "The photo, by patches");
    const answer = make("p", { className: "answer", "aria-live": "polite" });
    const element = make("div", {}, grid.element, answer);
    this.tops.append(element);
    return { grid, answer, element };
  }

  /** @param {import("./store.js").State} state */
  draw(state) {
    const subjects = [state.first, state.second].filter((each) => each !== null);
    while (this.photos.length > subjects.length) this.photos.pop()?.element.remove();
    subjects.forEach((subject, at) => {
      this.photos[at] ??= this.photo(at);
      this.drawOne(this.photos[at], state, subject);
    });
    if (!state.first) return;
    const { maps, model } = state.first;
    this.controls.hidden = this.caption.hidden = !maps.heads.length;
    this.layer.show(state.layer, model.layers - 1);
    this.head.offer([["-1", "mean of all"], ...maps.heads.map((each) => /** @type {[string, string]} */ ([`${each}`, `${each + 1}`]))]);
    this.head.show(`${state.head}`);
    this.caption.textContent = `What the ${SOURCES[model.tokens.attention_from] ?? "class token"} attends to; yellow is most.`;
  }

  /** @param {{grid: PatchGrid, answer: HTMLElement}} shown @param {import("./store.js").State} state @param {import("./data.js").Subject} subject */
  drawOne({ grid, answer }, state, subject) {
    const { geometry, maps } = subject;
    const values = maps.heads.length ? maps.get(state.layer, state.head) : null;
    const box = { left: 0, top: 0, width: geometry.image_width, height: geometry.image_height };
    const context = grid.show(geometry, box, values ? (patch) => `attention ${percent(values[patch])}, rank ${rank(values, patch)} of ${values.length}` : undefined);
    drawPhoto(context, subject);
    if (values) drawHeat(context, geometry, values, { ...state, colours: VIRIDIS });
    markPatches(context, geometry, state, grid.view.scale);
    const [best] = subject.answer.classes;
    const score = subject.answer.activation === "none" ? best.logit.toPrecision(4) : percent(best.probability);
    const text = `${best.label} ${score}`;
    if (answer.textContent !== text) answer.textContent = text;
  }
}

/** @type {Record<string, string>} */
const SOURCES = { class_token: "class token", mean_of_patches: "average patch", pooling_probe: "head's own query" };
