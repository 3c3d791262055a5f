// The inside of the encoder for one photo, asked for in one answer where it is small enough, else layer by layer.

import { explain, Refused } from "../api.js";
import { arrivals, decoded, sizeOf, WHOLE } from "./blocks.js";
import { distances, entropies } from "./measures.js";
import { BASE, fieldsOf, MATRICES, offered, planOf, STEP } from "./plan.js";
import { fuse } from "./rollout.js";
import { Shelf } from "./shelf.js";
import { readContainer } from "./stream.js";

/** @typedef {import("./blocks.js").Blocks} Blocks */

/** Asks for it, and returns it when its head is here. Throws Refused. @param {import("../data.js").Subject} subject */
export const openInside = async (subject) => {
  const inside = new Inside(subject);
  await inside.begin();
  return inside;
};

export class Inside {
  /** @param {import("../data.js").Subject} subject */
  constructor({ model, file, geometry, served }) {
    this.model = model;
    this.file = file;
    this.geometry = geometry;
    this.redraw = served.arrived;
    this.plan = planOf(model);
    /** The head of the first answer. @type {any} */
    this.head = null;
    this.shelf = new Shelf();
    /** What failed, by part and layer; "" for the answer as a whole. @type {Map<string, unknown>} */
    this.failed = new Map();
    /** Layers to ask for next, by what is asked for. @type {Map<string[], number>} */
    this.wanted = new Map();
    this.busy = false;
    /** @type {Map<number, {entropies: Float32Array, distances: Float32Array}>} */
    this.known = new Map();
    /** @type {Map<string, Float32Array>} */
    this.fused = new Map();
    this.planned = 0;
    /** @type {{layer: number, values: Float32Array} | null} */
    this.last = null;
  }

  /** @returns {{count: number, cls: number, distillation: number, registers: number, first_patch: number, rows: number, cols: number}} */
  get tokens() {
    return this.head.tokens;
  }

  /** @returns {number} */
  get layers() {
    return this.head.layers;
  }

  /** @returns {number} */
  get heads() {
    return this.head.heads;
  }

  /** Asks for the first answer. A model may lack the logit lens, and a server may allow less in one reply. */
  async begin() {
    for (;;) {
      const parts = [...BASE.filter((part) => !this.plan.without.includes(part)), ...(this.plan.atOnce ? [...MATRICES, ...STEP] : [])];
      try {
        await this.ask(parts, {});
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        const found = offered(error.message, BASE);
        const lacking = BASE.filter((part) => found && !found.includes(part) && !this.plan.without.includes(part));
        if (lacking.length) this.plan.without.push(...lacking);
        else if (this.plan.atOnce && error.message.includes("MiB")) this.plan.atOnce = false;
        else throw explained(error);
      }
    }
  }

  /** Asks for parts. Returns when the head is here, and reads on. @param {string[]} parts @param {Record<string, string>} fields */
  async ask(parts, fields) {
    const reply = await explain(this.model, this.file, { ...fieldsOf(this.model, this.plan, parts), ...fields });
    let before = 0;
    await new Promise((resolve, reject) => {
      const begin = (/** @type {any} */ head, /** @type {Uint8Array<ArrayBuffer>} */ bytes) => {
        this.head ??= head;
        resolve(null);
        return { head, bytes };
      };
      const progress = (/** @type {{head: any, bytes: Uint8Array<ArrayBuffer>}} */ { head, bytes }, /** @type {number} */ arrived) => {
        for (const { part, layer, blocks } of arrivals(head, bytes, before, arrived)) {
          this.shelf.put(`${part}/${layer}`, blocks, Boolean(fields.layers));
        }
        before = arrived;
        this.changed();
      };
      this.reading = readContainer(/** @type {any} */ (reply.body), begin, progress, sizeOf).catch((error) => {
        const lost = new Refused(`The connection was lost while the answer arrived: ${error.message}`);
        if (this.head) this.failed.set(fields.layers ? `${parts[0]}/${fields.layers}` : "", lost);
        this.changed();
        reject(lost);
      });
    });
  }

  /** Has the panels drawn anew, once for all that arrives in one frame. */
  changed() {
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      this.planned = 0;
      this.redraw();
    });
  }

  /**
   * Returns the blocks of all heads of a layer, or null while they are on their way. Throws Refused where they do not come.
   * @param {"matrices" | "queries" | "keys" | "values"} part @param {number} layer
   * @returns {Blocks | null}
   */
  blocks(part, layer) {
    const found = this.shelf.get(`${part}/${layer}`);
    if (found) return found;
    const group = part === "matrices" ? MATRICES : STEP;
    const failed = this.failed.get("") ?? this.failed.get(`${group[0]}/${layer}`);
    if (failed) throw failed;
    if (!this.plan.atOnce) {
      this.wanted.set(group, layer);
      if (!this.busy) this.pump();
    }
    return null;
  }

  /** Asks for the layers that are wanted, one after another: only the latest of each kind. */
  async pump() {
    this.busy = true;
    for (const [group, layer] of this.wanted) {
      this.wanted.delete(group);
      try {
        await this.ask(group, { layers: `${layer}` });
        await this.reading;
      } catch (error) {
        this.failed.set(`${group[0]}/${layer}`, error);
        this.changed();
      }
    }
    this.busy = false;
  }

  /** Returns a part that is one block with its shape; null where the model has none or it is on its way. @param {string} part */
  whole(part) {
    const found = this.shelf.get(`${part}/${WHOLE}`);
    const { classes } = this.head.parts.find((/** @type {any} */ one) => one.part === part) ?? {};
    return found && { values: this.once(part, () => decoded(found.values)), shape: found.shape, classes };
  }

  /** Returns what was computed before. @param {string} name @param {() => Float32Array} compute */
  once(name, compute) {
    const found = this.fused.get(name) ?? compute();
    this.fused.set(name, found);
    return found;
  }

  /** Returns the values of a part in one layer and head; null while they are on their way. @param {"matrices" | "queries" | "keys" | "values"} part @param {number} layer @param {number} head */
  block(part, layer, head) {
    const found = this.blocks(part, layer);
    const size = found ? found.values.length / found.heads : 0;
    return found && decoded(found.values.subarray(head * size, (head + 1) * size));
  }

  /** Returns one matrix, [T, T]; head -1 is the mean over all. @param {number} layer @param {number} head */
  matrix(layer, head) {
    if (head >= 0) return this.block("matrices", layer, head);
    const found = this.blocks("matrices", layer);
    return found && this.mean(layer, found);
  }

  /** @param {number} layer @param {Blocks} found */
  mean(layer, found) {
    return this.plan.atOnce ? this.once(`mean/${layer}`, () => fuse(found, "mean")) : this.latest(layer, found);
  }

  /** Keeps only the latest mean of a large model. @param {number} layer @param {Blocks} found */
  latest(layer, found) {
    if (this.last?.layer !== layer) this.last = { layer, values: fuse(found, "mean") };
    return this.last.values;
  }

  /** Returns what a token attends to, [T]; head -1 is the mean over all. @param {number} layer @param {number} head @param {number} token */
  row(layer, head, token) {
    const found = this.blocks("matrices", layer);
    if (!found) return null;
    const count = this.tokens.count;
    if (head < 0) return this.mean(layer, found).slice(token * count, (token + 1) * count);
    const start = (head * count + token) * count;
    return decoded(found.values.subarray(start, start + count));
  }

  /** Returns how much each token attends to one, [T]; head -1 is the mean over all. @param {number} layer @param {number} head @param {number} token */
  column(layer, head, token) {
    const found = this.blocks("matrices", layer);
    if (!found) return null;
    const count = this.tokens.count;
    const values = head < 0 ? this.mean(layer, found) : found.values;
    const start = Math.max(head, 0) * count * count + token;
    return decoded(/** @type {any} */ (values.constructor).from({ length: count }, (/** @type {any} */ _, /** @type {number} */ at) => values[start + at * count]));
  }

  /** Returns entropy and mean distance of the heads of a layer; null while they are not known. @param {number} layer @param {boolean} [ask] whether a layer that is not here is asked for */
  figures(layer, ask = false) {
    const known = this.known.get(layer);
    if (known) return known;
    const found = ask ? this.blocks("matrices", layer) : this.shelf.get(`matrices/${layer}`);
    if (!found) return null;
    const figures = { entropies: entropies(found), distances: distances(found, this.tokens, this.geometry) };
    this.known.set(layer, figures);
    return figures;
  }
}

/** Says why a model has no inside, in words for a user of the page. @param {Refused} error */
const explained = (error) => (/graph 'full'/.test(error.message)
  ? new Refused("This model was exported without what is inside of its encoder. Export it again to see this.")
  : error);
