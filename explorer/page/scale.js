// A colour bar with what its ends stand for.

import { make } from "./elements.js";
import { drawScale } from "./heat.js";

export class Scale {
  /** @param {import("./colours.js").Colours} colours @param {string} unit */
  constructor(colours, unit) {
    const canvas = make("canvas", { "aria-hidden": "true" });
    this.low = make("span");
    this.high = make("span");
    this.element = make("div", { className: "scale" }, this.low, canvas, this.high, make("span", { className: "unit", textContent: unit }));
    drawScale(canvas, colours);
  }

  /** @param {string} low @param {string} high */
  show(low, high) {
    this.low.textContent = low;
    this.high.textContent = high;
  }
}
