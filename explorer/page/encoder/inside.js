// The inside of the encoder for one photo, as numbers.

import { Asking } from "./asking.js";
import { decoded, WHOLE } from "./blocks.js";
import { distances, entropies } from "./measures.js";
import { fuse } from "./rollout.js";

/** @typedef {import("./blocks.js").Blocks} Blocks */

/** Asks for it, and returns it when its head is here. Throws Refused. @param {import("../data.js").Subject} subject */
export const openInside = async ({ model, file, geometry, served }) => {
  const asking = new Asking(model, file, served.arrived);
  await asking.begin();
  return new Inside(asking, geometry);
};

export class Inside {
  /** @param {Asking} asking @param {any} geometry */
  constructor(asking, geometry) {
    this.asking = asking;
    this.geometry = geometry;
    /** @type {Map<number, {entropies: Float32Array, distances: Float32Array}>} */
    this.known = new Map();
    /** @type {Map<string, Float32Array>} */
    this.computed = new Map();
    /** @type {{layer: number, values: Float32Array} | null} */
    this.last = null;
  }

  /** @returns {{count: number, cls: number, distillation: number, registers: number, first_patch: number, rows: number, cols: number}} */
  get tokens() {
    return this.asking.head.tokens;
  }

  /** @returns {number} */
  get layers() {
    return this.asking.head.layers;
  }

  /** @returns {number} */
  get heads() {
    return this.asking.head.heads;
  }

  /** Returns a part that is one block with its shape; null where the model has none or it is on its way. @param {string} part */
  whole(part) {
    const found = this.asking.shelf.get(`${part}/${WHOLE}`);
    const { classes } = this.asking.head.parts.find((/** @type {any} */ one) => one.part === part) ?? {};
    return found && { values: this.once(part, () => decoded(found.values)), shape: found.shape, classes };
  }

  /** Returns what was computed before. @param {string} name @param {() => Float32Array} compute */
  once(name, compute) {
    const found = this.computed.get(name) ?? compute();
    this.computed.set(name, found);
    return found;
  }

  /** Returns the values of a part in one layer and head; null while they are on their way. @param {"matrices" | "queries" | "keys" | "values"} part @param {number} layer @param {number} head */
  block(part, layer, head) {
    const found = this.asking.blocks(part, layer);
    const size = found ? found.values.length / found.heads : 0;
    return found && decoded(found.values.subarray(head * size, (head + 1) * size));
  }

  /** Says whether the matrices of a layer are here; they are not asked for. @param {number} layer */
  has(layer) {
    return this.asking.shelf.get(`matrices/${layer}`) !== null;
  }

  /** Returns one matrix, [T, T]; head -1 is the mean over all. @param {number} layer @param {number} head */
  matrix(layer, head) {
    if (head >= 0) return this.block("matrices", layer, head);
    const found = this.asking.blocks("matrices", layer);
    return found && this.mean(layer, found);
  }

  /** @param {number} layer @param {Blocks} found */
  mean(layer, found) {
    return this.asking.plan.atOnce ? this.once(`mean/${layer}`, () => fuse(found, "mean")) : this.latest(layer, found);
  }

  /** Keeps only the latest mean of a large model. @param {number} layer @param {Blocks} found */
  latest(layer, found) {
    if (this.last?.layer !== layer) this.last = { layer, values: fuse(found, "mean") };
    return this.last.values;
  }

  /** Returns what a token attends to, [T]; head -1 is the mean over all. @param {number} layer @param {number} head @param {number} token */
  row(layer, head, token) {
    const found = this.asking.blocks("matrices", layer);
    if (!found) return null;
    const count = this.tokens.count;
    if (head < 0) return this.mean(layer, found).slice(token * count, (token + 1) * count);
    const start = (head * count + token) * count;
    return decoded(found.values.subarray(start, start + count));
  }

  /** Returns how much each token attends to one, [T]; head -1 is the mean over all. @param {number} layer @param {number} head @param {number} token */
  column(layer, head, token) {
    const found = this.asking.blocks("matrices", layer);
    if (!found) return null;
    const count = this.tokens.count;
    const values = head < 0 ? this.mean(layer, found) : found.values;
    const start = Math.max(head, 0) * count * count + token;
    return decoded(/** @type {any} */ (values.constructor).from({ length: count }, (/** @type {any} */ _, /** @type {number} */ at) => values[start + at * count]));
  }

  /**
   * Returns what the patches attend to on average, or how much of each token's attention one patch gets on average, [T].
   * @param {number} layer @param {number} head @param {boolean} columns
   */
  average(layer, head, columns) {
    const matrix = this.matrix(layer, head);
    if (!matrix) return null;
    const { count, first_patch: first } = this.tokens;
    const found = new Float32Array(count);
    for (let patch = first; patch < count; patch += 1) {
      for (let at = 0; at < count; at += 1) found[at] += matrix[columns ? at * count + patch : patch * count + at];
    }
    return found.map((sum) => sum / (count - first));
  }

  /** Returns entropy and mean distance of the heads of a layer; null while they are not known. @param {number} layer @param {boolean} [ask] whether a layer that is not here is asked for */
  figures(layer, ask = false) {
    const known = this.known.get(layer);
    if (known) return known;
    const found = ask ? this.asking.blocks("matrices", layer) : this.asking.shelf.get(`matrices/${layer}`);
    if (!found) return null;
    const figures = { entropies: entropies(found), distances: distances(found, this.tokens, this.geometry) };
    this.known.set(layer, figures);
    return figures;
  }
}
