// A map in words and in a table of numbers, for those who cannot see it or want to know exactly.

import { make } from "./elements.js";
import { placeText } from "./text.js";

const DOWN = ["top", "middle", "bottom"];
const ACROSS = ["left", "centre", "right"];

/** Returns in which of nine parts of the grid a patch lies. @param {{grid_rows: number, grid_cols: number}} geometry @param {number} patch */
export const partOf = ({ grid_rows: rows, grid_cols: cols }, patch) => {
  const down = Math.floor(((Math.floor(patch / cols) + 0.5) / rows) * 3);
  const across = Math.floor((((patch % cols) + 0.5) / cols) * 3);
  return down === 1 && across === 1 ? "centre" : `${DOWN[down]} ${ACROSS[across]}`;
};

/** Returns patches from the largest value to the smallest. @param {ArrayLike<number>} values */
export const ranked = (values) => Array.from(values, (_, at) => at).sort((a, b) => values[b] - values[a] || a - b);

/**
 * Says where the largest values are, and in which part of the photo most of all lies.
 * @param {any} geometry @param {ArrayLike<number>} values @param {(value: number) => string} said
 */
export const describe = (geometry, values, said) => {
  const best = ranked(values).slice(0, 5).map((patch) => `${placeText(geometry, patch)} (${partOf(geometry, patch)}): ${said(values[patch])}`);
  /** @type {Map<string, number>} */
  const parts = new Map();
  let whole = 0;
  for (let patch = 0; patch < values.length; patch += 1) {
    const value = Math.max(values[patch], 0);
    parts.set(partOf(geometry, patch), (parts.get(partOf(geometry, patch)) ?? 0) + value);
    whole += value;
  }
  const [part, mass] = [...parts].reduce((most, each) => (each[1] > most[1] ? each : most));
  const where = whole > 0 ? ` Of all that is above zero, ${((100 * mass) / whole).toFixed(0)}\u00a0% lies in the ${part} of nine equal parts.` : "";
  return `Largest: ${best.join("; ")}.${where}`;
};

export class Words {
  /** @param {string} title of the table */
  constructor(title) {
    this.title = title;
    this.text = make("p", { className: "text" });
    this.place = make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `Table: ${title}` });
    this.element = make("details", { className: "words" }, make("summary", { textContent: "In words and numbers" }), this.text, this.place);
    this.fill = () => {};
    this.element.addEventListener("toggle", () => this.fill());
  }

  /** @param {any} geometry @param {ArrayLike<number>} values @param {(value: number) => string} said */
  show(geometry, values, said) {
    this.fill = () => {
      if (!this.element.open) return;
      this.text.textContent = describe(geometry, values, said);
      this.place.replaceChildren(this.table(geometry, values, said));
    };
    this.fill();
  }

  /** @param {any} geometry @param {ArrayLike<number>} values @param {(value: number) => string} said */
  table({ grid_rows: rows, grid_cols: cols }, values, said) {
    const heading = (/** @type {string} */ text, /** @type {"col" | "row"} */ scope) => make("th", { scope, textContent: text });
    const numbers = (/** @type {number} */ count) => Array.from({ length: count }, (_, at) => at);
    const top = make("tr", {}, make("td"), ...numbers(cols).map((col) => heading(`${col + 1}`, "col")));
    const each = numbers(rows).map((row) => make("tr", {}, heading(`${row + 1}`, "row"),
      ...numbers(cols).map((col) => make("td", { textContent: said(values[row * cols + col]) }))));
    return make("table", {}, make("caption", { textContent: this.title }), make("thead", {}, top), make("tbody", {}, ...each));
  }
}
