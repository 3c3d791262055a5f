// The most probable classes, each with its map, to choose from.

import { BLUE_ORANGE, coloured } from "./colours.js";
import { MOST } from "./data.js";
import { make } from "./elements.js";
import { gridBox } from "./geometry.js";
import { percent } from "./text.js";

export class ClassTiles {
  /** @param {import("./store.js").Store} store */
  constructor(store) {
    this.store = store;
    this.element = make("div", { className: "chosen", role: "group", "aria-label": "Classes" });
    /** @type {any} */
    this.subject = null;
  }

  /**
   * @param {import("./store.js").State} state @param {import("./data.js").Subject} subject @param {number} chosen
   * @param {(index: number) => import("./evidence.js").Evidence | undefined} evidence
   */
  show(state, subject, chosen, evidence) {
    const many = subject.model.methods.includes("evidence");
    const classes = subject.answer.classes.slice(0, many ? MOST : 0);
    if (this.subject !== subject) this.element.replaceChildren(...classes.map((/** @type {any} */ each) => this.tile(each, subject)));
    this.subject = subject;
    const found = classes.map((/** @type {any} */ each) => evidence(each.index));
    const most = Math.max(...found.flatMap((/** @type {any} */ each) => (each ? [...each.values].map(Math.abs) : [])), 1e-12);
    [...this.element.children].forEach((button, at) => {
      button.setAttribute("aria-pressed", `${classes[at].index === chosen}`);
      const canvas = /** @type {HTMLCanvasElement} */ (button.querySelector("canvas"));
      const { grid_rows: height, grid_cols: width } = subject.geometry;
      Object.assign(canvas, { width, height });
      const box = gridBox(subject.geometry);
      canvas.style.aspectRatio = `${box.width / box.height}`;
      if (found[at]) canvas.getContext("2d")?.putImageData(coloured(found[at].values, width, BLUE_ORANGE, [-most, most]), 0, 0);
    });
  }

  /** @param {any} each @param {any} subject */
  tile(each, subject) {
    const canvas = make("canvas", { className: "pixels", "aria-hidden": "true" });
    const score = subject.answer.activation === "none" ? each.logit.toPrecision(4) : percent(each.probability);
    const element = make("button", { type: "button" }, canvas, make("strong", { textContent: each.label }), make("br"), score);
    element.addEventListener("click", () => {
      const first = subject.answer.classes[0].index;
      this.store.set({ class: each.index === first ? null : each.index, versus: this.store.state.versus === each.index ? null : this.store.state.versus });
    });
    return element;
  }
}
