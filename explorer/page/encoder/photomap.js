// A map of patches over the photo, with its title, its colour bar and its numbers in words.

import { extent, VIRIDIS } from "../colours.js";
import { drawPhoto } from "../draw.js";
import { make } from "../elements.js";
import { PatchGrid } from "../grid.js";
import { drawHeat } from "../heat.js";
import { markPatches } from "../marks.js";
import { Scale } from "../scale.js";
import { percent } from "../text.js";
import { Words } from "../words.js";

/** @typedef {{colours?: import("../colours.js").Colours, limits?: [number, number], said?: (value: number) => string, what?: string}} Style */

export class PhotoMap {
  /** @param {import("../store.js").Store} store @param {string} label for screen readers @param {import("../colours.js").Colours} [colours] @param {string} [unit] */
  constructor(store, label, colours = VIRIDIS, unit = "") {
    this.colours = colours;
    this.title = make("h4");
    this.grid = new PatchGrid(store, label);
    this.scale = new Scale(colours, unit);
    this.words = new Words(label);
    this.element = make("div", { className: "photomap" }, this.title, this.grid.element, this.scale.element, this.words.element);
  }

  /**
   * Draws the photo and a map over it; no map while its values are on their way.
   * @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {ArrayLike<number> | null} values
   * @param {string} title @param {Style} [style]
   */
  show(state, subject, values, title, { limits, said = percent, what = "attention" } = {}) {
    const { geometry } = subject;
    if (this.title.textContent !== title) this.title.textContent = title;
    const box = { left: 0, top: 0, width: geometry.image_width, height: geometry.image_height };
    const context = this.grid.show(geometry, box, values ? (patch) => `${what} ${said(values[patch])}` : undefined);
    drawPhoto(context, subject);
    this.scale.element.hidden = this.words.element.hidden = !values;
    if (values) {
      const shown = limits ?? extent(values);
      drawHeat(context, geometry, values, { ...state, colours: this.colours, limits: shown });
      this.scale.show(said(shown[0]), said(shown[1]));
      this.words.show(geometry, values, said);
    }
    markPatches(context, geometry, state, this.grid.view.scale);
  }
}
