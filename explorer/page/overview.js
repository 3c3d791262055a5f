// What stays visible while panels are read: the photo with the selected map, the answer, and what is selected.

import { bar, button, choice, slider, tick } from "./controls.js";
import { drawPhoto, outlinePatch, View } from "./draw.js";
import { make } from "./elements.js";
import { percent } from "./text.js";

export class Overview {
  /** @param {HTMLElement} element @param {import("./store.js").Store} store */
  constructor(element, store) {
    this.store = store;
    const canvas = make("canvas", { id: "overview-photo", role: "img", "aria-label": "the photo" });
    this.view = new View(canvas);
    this.answer = make("p", { id: "overview-answer", "aria-live": "polite" });
    this.layer = slider("Layer", { min: 0, max: 0, value: 0 }, (layer) => store.set({ layer }), (layer) => `${layer + 1}`);
    this.head = choice("Head", [["-1", "mean of all"]], (head) => store.set({ head: Number(head) }));
    this.layer.input.id = "layer";
    this.head.input.id = "head";
    element.append(canvas, this.answer, bar(this.layer.element, this.head.element));
  }

  /** @param {import("./store.js").State} state */
  draw(state) {
    const { first, layer, head, patch } = state;
    if (!first) return;
    const { geometry, answer, maps } = first;
    const context = this.view.show({ left: 0, top: 0, width: geometry.image_width, height: geometry.image_height });
    drawPhoto(context, first);
    if (patch !== null) outlinePatch(context, geometry, patch, this.view.scale);
    const [best] = answer.classes;
    const score = answer.activation === "none" ? best.logit.toPrecision(4) : percent(best.probability);
    this.answer.textContent = `${best.label} ${score}`;
    this.layer.element.hidden = this.head.element.hidden = !maps.heads.length;
    this.layer.show(layer, first.model.layers - 1);
    this.head.offer([["-1", "mean of all"], ...maps.heads.map((each) => /** @type {[string, string]} */ ([`${each}`, `${each + 1}`]))]);
    this.head.show(`${head}`);
  }
}
