// All heads of all layers on one sheet.

import { extent } from "../colours.js";
import { bar, button, choice, tick } from "../controls.js";
import { make } from "../elements.js";
import { alike, sorted } from "../encoder/heads.js";
import { PhotoMap } from "../encoder/photomap.js";
import { attended, patchesOf, queryName, whereText } from "../encoder/query.js";
import { Places, tiles } from "../encoder/sheet.js";
import { Plot } from "../plot.js";

/** @type {Record<string, [number, number]>} */
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** @type {import("../panel.js").Panel} */
export default {
  id: "heads",
  title: "Heads",
  about: "Each block looks at the photo through several heads at once. Here is where each of them attends to; click one to select it everywhere, and hold Shift and click to compare a second one with it.",
  limits: "what a head is for. That its map looks like a thing does not mean that it found this thing.",
  needs: ["inside"],
  mount: (body, store) => new HeadsPanel(body, store).draw,
};

class HeadsPanel {
  /** @param {HTMLElement} body @param {import("../store.js").Store} store */
  constructor(body, store) {
    this.store = store;
    const again = () => store.set({});
    this.by = choice("Order", [["place", "by layer"], ["entropies", "most concentrated first"], ["distances", "nearest first"]], again);
    this.shared = tick("one scale for all", true, again);
    this.drop = button("Stop comparing", () => { this.second = null; again(); });
    this.plot = new Plot({ className: "sheet", tabIndex: 0, role: "application", "aria-roledescription": "contact sheet" });
    this.text = make("p", { className: "text", "aria-live": "polite" });
    this.pair = [new PhotoMap(store, "The selected head", undefined, "of its attention"), new PhotoMap(store, "The other head", undefined, "of its attention")];
    this.hint = make("p", { className: "small", textContent: "Keys: arrows move, Enter selects, C compares." });
    body.append(bar(this.by.element, this.shared.element, this.drop), this.plot.canvas, this.hint, this.text, make("div", { className: "pair" }, ...this.pair.map((each) => each.element)));
    /** @type {{layer: number, head: number} | null} */
    this.second = null;
    this.over = -1;
    /** @type {{layer: number, head: number}[]} */
    this.order = [];
    this.places = new Places(1, 1, 0, 1, 0);
    this.made = { of: "", inside: /** @type {any} */ (null), pictures: /** @type {(OffscreenCanvas | null)[]} */ ([]) };
    this.plot.canvas.addEventListener("pointermove", (event) => this.point(this.places.at(this.plot.point(event))));
    this.plot.canvas.addEventListener("pointerleave", () => this.point(-1));
    this.plot.canvas.addEventListener("click", (event) => this.choose(this.places.at(this.plot.point(event)), event.shiftKey));
    this.plot.canvas.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {number} at */
  point(at) {
    if (at === this.over) return;
    this.over = at;
    this.store.set({});
  }

  /** @param {number} at @param {boolean} beside */
  choose(at, beside) {
    const found = this.order[at];
    if (!found) return;
    if (beside) this.second = found;
    this.store.set(beside ? {} : found);
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const at = this.over >= 0 ? this.over : Math.max(0, this.selected());
    if (event.key in MOVES) {
      const [down, right] = MOVES[event.key];
      this.point(Math.min(Math.max(at + down * this.places.across + right, 0), this.order.length - 1));
    } else if (event.key === "Enter" || event.key === " ") this.choose(at, event.shiftKey);
    else if (event.key === "c") this.choose(at, true);
    else return;
    event.preventDefault();
  }

  selected() {
    const { layer, head } = this.store.state;
    return this.order.findIndex((each) => each.layer === layer && each.head === head);
  }

  /** @type {import("../panel.js").Draw} */
  draw = (state, subject) => {
    const inside = subject.inside().value;
    const { layers, heads } = inside;
    const by = /** @type {"place" | "entropies" | "distances"} */ (this.by.input.value);
    this.order = sorted(layers, heads, by === "place" ? null : (layer, head) => inside.figures(layer)?.[by][head] ?? null);
    if (this.second && (this.second.layer >= layers || this.second.head >= heads)) this.second = null;
    this.sheet(state, subject, inside, this.pictures(state, subject, inside));
    this.compare(state, subject, inside);
    const name = queryName(inside.tokens, state.patch, subject.geometry);
    const at = this.over >= 0 ? this.order[this.over] : state.head >= 0 ? state : null;
    this.text.textContent = `Where ${name} attends to. ${at ? this.figures(inside, at) : "Point at a head to read its figures."}`;
    this.plot.canvas.setAttribute("aria-label", `${layers * heads} heads, ${heads} in each of ${layers} layers. ${this.text.textContent}`);
  };

  /** @param {any} inside @param {{layer: number, head: number}} at */
  figures(inside, { layer, head }) {
    const found = inside.figures(layer);
    const where = `${whereText(layer, head)}`;
    return `${where[0].toUpperCase()}${where.slice(1)}${found ? `: attention over about ${(2 ** found.entropies[head]).toFixed(0)} of ${inside.tokens.count} tokens (${found.entropies[head].toFixed(2)} bits), ${found.distances[head].toFixed(0)} pixels away on average.` : "."}`;
  }

  /** Returns the pictures by layer and head. @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {any} inside */
  pictures({ patch }, subject, inside) {
    const { layers, heads } = inside;
    const here = Array.from({ length: layers }, (_, layer) => inside.has(layer));
    const of = `${patch} ${this.shared.input.checked} ${here}`;
    if (this.made.of === of && this.made.inside === inside) return this.made.pictures;
    const maps = here.flatMap((there, layer) => Array.from({ length: heads }, (_, head) => this.row(subject, inside, layer, head, patch, there)));
    this.made = { of, inside, pictures: tiles(maps, subject.geometry.grid_cols, this.shared.input.checked) };
    return this.made.pictures;
  }

  /** @param {import("../data.js").Subject} subject @param {any} inside @param {number} layer @param {number} head @param {number | null} patch @param {boolean} there @returns {Float32Array | null} */
  row(subject, inside, layer, head, patch, there) {
    if (patch === null && subject.maps.layers.includes(layer) && subject.maps.heads.includes(head)) return subject.maps.get(layer, head);
    return there ? patchesOf(inside.tokens, attended(inside, layer, head, patch)) : null;
  }

  /** @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {any} inside @param {(OffscreenCanvas | null)[]} pictures */
  sheet({ layer, head }, subject, inside, pictures) {
    const placed = this.by.input.value === "place";
    const { grid_rows: rows, grid_cols: cols } = subject.geometry;
    this.places = new Places(this.plot.canvas.clientWidth, inside.heads, this.order.length, rows / cols, placed ? 22 : 0);
    const { width, tall, height } = this.places;
    const context = this.plot.show(height);
    context.imageSmoothingEnabled = false;
    context.fillStyle = this.plot.ink("--soft");
    context.textAlign = "right";
    if (placed) for (let at = 0; at < inside.layers; at += 1) context.fillText(`${at + 1}`, 16, (at + 0.5) * tall);
    this.order.forEach((each, at) => {
      const [x, y] = this.places.corner(at);
      const picture = pictures[each.layer * inside.heads + each.head];
      if (picture) context.drawImage(picture, x + 1, y + 1, width - 2, tall - 2);
      else {
        context.fillStyle = this.plot.ink("--line");
        context.fillRect(x + 1, y + 1, width - 2, tall - 2);
      }
      const same = each.layer === layer && (head < 0 || each.head === head);
      const second = this.second && this.second.layer === each.layer && this.second.head === each.head;
      const colour = second ? "#4fd1ff" : same ? "#ffd500" : at === this.over ? this.plot.ink("--text") : "";
      if (!colour) return;
      context.strokeStyle = "#000";
      context.lineWidth = head < 0 && same && !second ? 1 : 4;
      context.strokeRect(x + 1, y + 1, width - 2, tall - 2);
      context.strokeStyle = colour;
      context.lineWidth = head < 0 && same && !second ? 1 : 2;
      context.strokeRect(x + 1, y + 1, width - 2, tall - 2);
    });
  }

  /** @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {any} inside */
  compare(state, subject, inside) {
    const { second } = this;
    this.drop.hidden = !second;
    for (const each of this.pair) each.element.hidden = !second;
    if (!second) return;
    const rows = [state, second].map(({ layer, head }) => patchesOf(inside.tokens, attended(inside, layer, head, state.patch)));
    const [one, other] = rows;
    const most = Math.max(...rows.map((row) => (row ? extent(row)[1] : 0)));
    this.pair[0].show(state, subject, one, whereText(state.layer, state.head), { limits: [0, most] });
    const cosine = one && other ? `, cosine ${alike(one, other).toFixed(2)} with the first` : "";
    this.pair[1].show(state, subject, other, `${whereText(second.layer, second.head)}${cosine}`, { limits: [0, most] });
  }
}
