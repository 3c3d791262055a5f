// Asks for the inside of the encoder: in one answer where it is small enough, else layer by layer.

import { explain, Refused } from "../api.js";
import { arrivals, sizeOf } from "./blocks.js";
import { openContainer } from "../container.js";
import { BASE, fieldsOf, MATRICES, offered, planOf, STEP } from "./plan.js";
import { Shelf } from "./shelf.js";
import { readContainer } from "./stream.js";

/** @typedef {import("./blocks.js").Blocks} Blocks */

export class Asking {
  /** @param {any} model @param {Blob} file the photo @param {() => void} arrived is called when more is here, once for each frame */
  constructor(model, file, arrived) {
    this.model = model;
    this.file = file;
    this.arrived = arrived;
    this.plan = planOf(model);
    /** The head of the first answer. @type {any} */
    this.head = null;
    this.shelf = new Shelf();
    /** What failed, by part and layer; "" for the first answer. @type {Map<string, unknown>} */
    this.failed = new Map();
    /** Layers to ask for next, by what is asked for. @type {Map<string[], number>} */
    this.wanted = new Map();
    this.busy = false;
    this.planned = 0;
    /** @type {Promise<any>} */
    this.reading = Promise.resolve();
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
      this.arrived();
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
}

/** Says why a model has no inside, in words for a user of the page. @param {Refused} error */
const explained = (error) => (/graph 'full'/.test(error.message)
  ? new Refused("This model was exported without what is inside of its encoder. Export it again to see this.")
  : error);

/** Returns the values of a part that is one block. Throws Refused. @param {any} model @param {Blob} file @param {Record<string, string>} fields */
export const readAll = async (model, file, fields) => {
  const { head, bytes, start } = openContainer(await (await explain(model, file, { ...fields, dtype: "float32" })).arrayBuffer());
  return new Float32Array(bytes, start + Number(head.parts[0].offset), Number(head.parts[0].bytes) / 4);
};
