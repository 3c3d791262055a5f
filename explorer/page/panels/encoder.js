// The passage through the encoder, block by block.

import { bar, button, choice, slider } from "../controls.js";
import { make } from "../elements.js";
import { BlockRow, MOST } from "../encoder/blockrow.js";
import { largest, readLens, scoresOf } from "../encoder/lens.js";
import { normsOf, relative } from "../encoder/norms.js";
import { PhotoMap } from "../encoder/photomap.js";
import { queryName, queryOf } from "../encoder/query.js";
import { percent } from "../text.js";

const STEP_MS = 700;
const HEADINGS = ["Block", "Length", "The head would say", "Attention spread", "Distance", "Attention's share"];

/** @type {import("../panel.js").Panel} */
export default {
  id: "encoder",
  title: "Through the encoder",
  about: "Each block mixes tokens by attention and then changes each by itself in an MLP. Here is what is known after each block: how long the tokens are, what the head would say if it read them now, over how many tokens attention is spread, how far it goes, and how much of the change came from attention.",
  limits: "that blocks in the middle do not speak the language of the head, so that what it would say there is only a hint.",
  needs: ["inside"],
  mount: (body, store) => new EncoderPanel(body, store).draw,
};

class EncoderPanel {
  /** @param {HTMLElement} body @param {import("../store.js").Store} store */
  constructor(body, store) {
    this.store = store;
    this.layers = 1;
    this.playing = 0;
    /** @type {object | null} */
    this.inside = null;
    this.photos = 0;
    this.layer = slider("Block", { min: 0, max: 0, value: 0 }, (layer) => store.set({ layer }), (layer) => `${layer + 1}`);
    this.play = button("Play", () => this.toggle());
    this.play.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.what = choice("Over the photo", [["norms", "length of tokens"], ["lens", "probability by the head"]], () => store.set({}));
    this.map = new PhotoMap(store, "Tokens after the block");
    this.text = make("p", { className: "text", "aria-live": "polite" });
    const head = make("thead", {}, make("tr", {}, ...HEADINGS.map((textContent) => make("th", { scope: "col", textContent }))));
    this.rows = make("tbody");
    /** @type {BlockRow[]} */
    this.each = [];
    body.append(
      bar(this.layer.element, this.play, this.what.element), this.text,
      make("div", { className: "through" }, this.map.element, make("div", { className: "sideways" }, make("table", { className: "blocks" }, head, this.rows))),
    );
  }

  toggle() {
    clearInterval(this.playing);
    this.playing = this.playing ? 0 : window.setInterval(() => {
      if (!this.play.isConnected) this.toggle();
      else this.store.set({ layer: (this.store.state.layer + 1) % this.layers });
    }, STEP_MS);
    this.play.textContent = this.playing ? "Pause" : "Play";
    if (this.playing) this.store.set({ layer: (this.store.state.layer + 1) % this.layers });
  }

  /** @type {import("../panel.js").Draw} */
  draw = (state, subject) => {
    const inside = subject.inside().value;
    const norms = inside.whole("token_norms");
    if (!norms) return;
    this.layers = inside.layers;
    this.layer.show(state.layer, inside.layers - 1);
    if (this.each.length !== inside.layers + 1) {
      this.each = Array.from({ length: inside.layers + 1 }, (_, at) => new BlockRow(at, () => this.store.set({ layer: at - 1 })));
      this.rows.replaceChildren(...this.each.map((row) => row.element));
    }
    const lens = inside.whole("lens");
    const { geometry, model, answer } = subject;
    const most = { bits: Math.log2(inside.tokens.count), pixels: Math.hypot(geometry.model_width, geometry.model_height) };
    const updates = inside.whole("updates");
    const width = this.rows.clientWidth;
    this.each.forEach((row, at) => {
      const figures = at ? inside.figures(at - 1) : null;
      const known = () => ({
        norms: relative(normsOf(norms, at), inside.tokens.first_patch),
        lens: lens && lensText(readToken(lens, at, inside.tokens, state.patch), lens.classes, model, answer.activation),
        figures, updates: at && updates ? updatesOf(updates, at - 1, queryOf(inside.tokens, state.patch)) : null,
      });
      const of = `${this.generation(inside)} ${state.patch} ${state.head} ${figures !== null} ${lens !== null} ${updates !== null} ${width}`;
      if (row.drawn === of) row.show(/** @type {any} */ ({}), 0, 0, most, at === state.layer + 1, of);
      else row.show(known(), geometry.grid_cols, state.head, most, at === state.layer + 1, of);
    });
    this.over(state, subject, inside, norms, lens);
  };

  /** Returns a number that differs for each photo. @param {object} inside */
  generation(inside) {
    if (this.inside !== inside) [this.inside, this.photos] = [inside, this.photos + 1];
    return this.photos;
  }

  /** @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {any} inside @param {any} norms @param {any} lens */
  over(state, subject, inside, norms, lens) {
    const after = state.layer + 1;
    this.what.element.hidden = !lens;
    const label = subject.answer.classes[0].label;
    if (lens && this.what.input.value === "lens") {
      const values = lensOfPatches(lens, after, inside.tokens, subject);
      const plain = subject.answer.activation === "none";
      this.map.show(state, subject, values, `If the head read each patch after block ${after}: ${label}`, { what: label, ...(plain ? { said: (/** @type {number} */ value) => value.toPrecision(3) } : { limits: [0, 1] }) });
    } else {
      const values = relative(normsOf(norms, after), inside.tokens.first_patch);
      this.map.show(state, subject, values, `Length of tokens after block ${after}`, { what: "length", limits: [0, MOST], said: (value) => `${value.toFixed(2)} × median` });
    }
    const whose = queryName(inside.tokens, state.patch, subject.geometry);
    const share = lens && subject.answer.activation === "softmax" && lens.classes.length < subject.model.labels.length
      ? ` Probabilities here are among ${lens.classes.length} of ${subject.model.labels.length} classes.` : "";
    this.text.textContent = `Of ${whose}.${share} Dots are heads; ${state.head < 0 ? "the line is their mean" : "the large one is the selected head"}.`;
  }
}

/** Returns the logits of the selected patch's token, or what the head reads. @param {any} lens @param {number} state @param {any} tokens @param {number | null} patch */
const readToken = ({ values, shape }, state, tokens, patch) => {
  if (patch === null) return readLens(values, shape, state, tokens);
  const start = (state * shape[1] + tokens.first_patch + patch) * shape[2];
  return values.slice(start, start + shape[2]);
};

/** @param {Float32Array} logits @param {number[]} classes @param {any} model @param {string} activation */
const lensText = (logits, classes, model, activation) => {
  const scores = scoresOf(logits, activation, model.temperature);
  const best = largest(scores);
  const plain = activation === "none";
  return { label: model.labels[classes[best]], share: plain ? 0 : scores[best], text: plain ? scores[best].toPrecision(3) : percent(scores[best]) };
};

/** Returns the score of the first class at each patch. @param {any} lens @param {number} state @param {any} tokens @param {any} subject */
const lensOfPatches = ({ values, shape: [, count, size], classes }, state, { first_patch: first }, { answer, model }) => {
  const wanted = classes.indexOf(answer.classes[0].index);
  return Float32Array.from({ length: count - first }, (_, patch) => {
    const start = (state * count + first + patch) * size;
    return scoresOf(values.subarray(start, start + size), answer.activation, model.temperature)[wanted];
  });
};

/** Returns lengths of what attention and the MLP added to a token, or on average to the patches. @param {any} updates @param {number} layer @param {number | null} token @returns {[number, number]} */
const updatesOf = ({ values, shape: [, , count] }, layer, token) => {
  const row = (/** @type {number} */ at) => values.subarray((layer * 2 + at) * count, (layer * 2 + at + 1) * count);
  const mean = (/** @type {Float32Array} */ all) => all.reduce((sum, each) => sum + each, 0) / all.length;
  return token === null ? [mean(row(0)), mean(row(1))] : [row(0)[token], row(1)[token]];
};

