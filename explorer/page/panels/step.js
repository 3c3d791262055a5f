// One step of attention with its numbers: a query, a key, softmax, and the weighted sum of values.

import { BLUE_ORANGE, colourOf } from "../colours.js";
import { bar, button } from "../controls.js";
import { make } from "../elements.js";
import { queryOf, tokenName, whereText } from "../encoder/query.js";
import { scoresOf, largest } from "../encoder/lens.js";
import { products, scoresWith, weightedSum } from "../encoder/step.js";
import { Plot } from "../plot.js";
import { percent, signed } from "../text.js";

const STRIP = 22;
const NAME = 64;
/** What of the formula each step lights up. */
const STEPS = [
  { say: "Compare", parts: ["q", "k"] }, { say: "Scale", parts: ["q", "k", "root"] },
  { say: "Softmax", parts: ["softmax"] }, { say: "Add up values", parts: ["softmax", "v"] },
];

/** @type {import("../panel.js").Panel} */
export default {
  id: "step",
  title: "Query, key, value",
  about: "How one number of attention comes about: the query of one token is compared with the key of another, softmax makes shares of all these comparisons, and by these shares the values are added up. Click a bar to choose the other token.",
  limits: "where queries, keys and values come from: each is the token, normalised, times a matrix that the model has learned.",
  needs: ["inside"],
  mount: (body, store) => new StepPanel(body, store).draw,
};

class StepPanel {
  /** @param {HTMLElement} body @param {import("../store.js").Store} store */
  constructor(body, store) {
    this.store = store;
    this.step = 0;
    /** @type {number | null} */
    this.key = null;
    this.count = 1;
    const part = (/** @type {string} */ name, /** @type {string} */ text) => {
      const element = button(text, () => this.go(STEPS.findIndex(({ parts }) => parts.includes(name))));
      element.dataset.part = name;
      return element;
    };
    this.parts = [part("softmax", "softmax"), part("q", "q"), part("k", "k"), part("root", "√d"), part("v", "v")];
    const [softmax, q, k, root, v] = this.parts;
    this.formula = make("p", { className: "formula parts", "aria-label": "Formula" }, softmax, " ( ", q, " · ", k, " / ", root, " ) · ", v);
    this.back = button("Back", () => this.go(this.step - 1));
    this.next = button("Next", () => this.go(this.step + 1));
    this.say = make("span", { className: "small" });
    this.vectors = new Plot({ className: "vectors", "aria-label": "query, key and their products as colours; the sums are in the text" });
    this.bars = new Plot({ className: "weights", tabIndex: 0, role: "application", "aria-roledescription": "bar chart" });
    this.sum = new Plot({ className: "sum", "aria-label": "values, weighed and added up, as colours" });
    this.texts = [0, 1, 2, 3].map(() => make("p", { className: "text" }));
    this.where = make("p", { className: "text", "aria-live": "polite" });
    this.bias = make("p", { className: "warning", hidden: true });
    this.blocks = [
      make("div", { className: "step" }, this.vectors.canvas, this.texts[0], this.texts[1]),
      make("div", { className: "step" }, this.bars.canvas, this.texts[2]), make("div", { className: "step" }, this.sum.canvas, this.texts[3]),
    ];
    body.append(this.formula, bar(this.back, this.next, this.say), this.where, this.bias, ...this.blocks);
    this.bars.canvas.addEventListener("click", (event) => this.choose(Math.floor((this.bars.point(event)[0] / this.bars.width) * this.count)));
    this.bars.canvas.addEventListener("keydown", (event) => {
      const move = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 })[event.key];
      if (!move) return;
      this.choose((this.key ?? this.shown ?? 0) + move);
      event.preventDefault();
    });
  }

  /** @param {number} step */
  go(step) {
    this.step = Math.min(Math.max(step, 0), STEPS.length - 1);
    this.store.set({});
  }

  /** @param {number} key */
  choose(key) {
    this.key = Math.min(Math.max(key, 0), this.count - 1);
    this.store.set({});
  }

  /** @type {import("../panel.js").Draw} */
  draw = (state, subject) => {
    const inside = subject.inside().value;
    const { tokens } = inside;
    const head = Math.max(state.head, 0);
    this.count = tokens.count;
    const query = queryOf(tokens, state.patch) ?? tokens.first_patch;
    const [queries, keys, values] = /** @type {const} */ (["queries", "keys", "values"]).map((part) => inside.block(part, state.layer, head));
    const weights = inside.row(state.layer, head, query);
    this.light();
    const ready = queries && keys && values && weights;
    for (const each of this.blocks) each.hidden = !ready;
    if (!ready) {
      this.where.textContent = "Waiting for the server …";
      return;
    }
    const width = queries.length / tokens.count;
    const at = (/** @type {Float32Array} */ all, /** @type {number} */ token) => all.slice(token * width, (token + 1) * width);
    if (this.key !== null && this.key >= tokens.count) this.key = null;
    const key = this.key ?? (state.other !== null ? tokens.first_patch + state.other : largest(weights));
    this.shown = key;
    const [q, k, v] = [at(queries, query), at(keys, key), at(values, key)];
    const scores = scoresWith(q, keys);
    const names = [query, key].map((token) => tokenName(tokens, token, subject.geometry));
    const mean = state.head < 0 ? " (choose another above; the mean of heads has no query of its own)" : "";
    this.where.textContent = `In ${whereText(state.layer, head)}${mean}, ${names[0]} asks, and ${names[1]} is read.`;
    this.drawVectors(q, k);
    drawWeights(this.bars, weights, key, tokens.first_patch);
    const output = weightedSum(weights, values);
    this.drawSum(v, weights[key], output);
    this.tell(scores, weights, key, width, output, names);
  };

  light() {
    const { parts, say } = STEPS[this.step];
    for (const each of this.parts) each.setAttribute("aria-pressed", `${parts.includes(each.dataset.part ?? "")}`);
    this.back.disabled = this.step === 0;
    this.next.disabled = this.step === STEPS.length - 1;
    this.say.textContent = `Step ${this.step + 1} of ${STEPS.length}: ${say.toLowerCase()}`;
    const lit = [this.step < 2, this.step === 2, this.step === 3];
    this.blocks.forEach((block, at) => block.classList.toggle("lit", lit[at]));
  }

  /** @param {Float32Array} scores @param {Float32Array} weights @param {number} key @param {number} width @param {Float32Array} output @param {string[]} names */
  tell(scores, weights, key, width, output, [asks, read]) {
    const own = scoresOf(scores, "softmax");
    const root = Math.sqrt(width);
    const shown = (/** @type {number} */ value) => value.toFixed(3).replace("-", "\u2212");
    const rank = weights.reduce((before, each) => before + (each > weights[key] ? 1 : 0), 1);
    this.texts[0].textContent = `q · k: the ${width} products of their numbers add up to ${shown(scores[key] * root)}.`;
    this.texts[1].textContent = `Divided by √d = √${width} = ${Number(root.toFixed(3))}: a score of ${shown(scores[key])}. Largest of all: ${shown(scores[largest(scores)])}.`;
    this.texts[2].textContent = `Softmax of all ${weights.length} scores gives ${read} ${percent(weights[key])}, number ${rank}; all together are 100\u00a0%.`;
    this.texts[3].textContent = `Its value times ${weights[key].toPrecision(3)} is added to the others' in the same way. The sum, of length ${Math.hypot(...output).toPrecision(3)}, is what this head tells ${asks}.`;
    const differs = weights.reduce((most, each, at) => Math.max(most, Math.abs(each - own[at])), 0);
    this.bias.hidden = differs < 0.01;
    this.bias.textContent = `This model adds a number for the places of the two tokens to each score. Softmax of the scores alone would give ${percent(own[key])}; the model's own share is ${percent(weights[key])}.`;
  }

  /** @param {Float32Array} q @param {Float32Array} k */
  drawVectors(q, k) {
    const both = products(q, k);
    const sum = both.reduce((all, each) => all + each, 0);
    strips(this.vectors, [["q", q, ""], ["k", k, ""], ["q × k", both, `Σ ${signed(sum)}`]], [Math.max(most(q), most(k)), 0, most(both)]);
  }

  /** @param {Float32Array} v @param {number} weight @param {Float32Array} output */
  drawSum(v, weight, output) {
    const scale = most(output);
    strips(this.sum, [["v", v, ""], ["a × v", v.map((each) => each * weight), ""], ["Σ a × v", output, ""]], [most(v), scale, scale]);
  }
}

/** @param {Float32Array} values */
const most = (values) => values.reduce((one, other) => Math.max(one, Math.abs(other)), 1e-12);

/** Draws vectors below each other, a cell for each number. @param {Plot} plot @param {[string, Float32Array, string][]} rows @param {number[]} limits 0: that of the row before */
const strips = (plot, rows, limits) => {
  const context = plot.show(rows.length * (STRIP + 4));
  const room = plot.width - NAME - (plot.width > 480 ? 84 : 0);
  rows.forEach(([name, values, note], at) => {
    const top = at * (STRIP + 4);
    const limit = limits[at] || limits[at - 1];
    context.fillStyle = plot.ink("--text");
    context.textAlign = "left";
    context.fillText(name, 0, top + STRIP / 2);
    if (plot.width > 480) context.fillText(note, NAME + room + 8, top + STRIP / 2);
    const width = room / values.length;
    values.forEach((value, place) => {
      context.fillStyle = `rgb(${colourOf(value, [-limit, limit], BLUE_ORANGE).join(" ")})`;
      context.fillRect(NAME + place * width, top, width > 4 ? width - 0.5 : width + 0.25, STRIP);
    });
  });
};

/** @param {Plot} plot @param {Float32Array} weights @param {number} key @param {number} first */
const drawWeights = (plot, weights, key, first) => {
  const context = plot.show(90);
  const width = plot.width / weights.length;
  const scale = 74 / most(weights);
  weights.forEach((weight, token) => {
    context.fillStyle = plot.ink(token === key ? "--text" : token < first ? "--for" : "--accent");
    context.fillRect(token * width, 88 - weight * scale, Math.max(width - (width > 3 ? 1 : 0), 0.75), weight * scale);
  });
  context.fillStyle = plot.ink("--line");
  context.fillRect(0, 88, plot.width, 1);
  context.fillStyle = plot.ink("--text");
  context.beginPath();
  context.moveTo((key + 0.5) * width, 84 - weights[key] * scale);
  context.lineTo((key + 0.5) * width - 4, 78 - weights[key] * scale);
  context.lineTo((key + 0.5) * width + 4, 78 - weights[key] * scale);
  context.fill();
};
