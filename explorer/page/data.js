// What the server knows about one photo and one model. Everything is asked for when it is first needed, and once.

import { classify, explain, getEmbedding } from "./api.js";
import { valuesAt } from "./container.js";
import { Maps } from "./maps.js";

/** Parts of ExplainRequest that come together, so that matrices do not wait for what few panels need. */
const TOGETHER = [["token_norms", "lens", "updates"], ["matrices"], ["queries", "keys", "values"]];
/** Above so many values they are asked for as float16, which halves what is sent. */
const MANY = 2e6;

/** A part of an explanation. @typedef {{head: any, get: (layer?: number, head?: number) => Float32Array}} Part */

/** Something that was asked for: `value` once it is here, `error` where it failed, and neither before. */
class Asked {
  /** @param {Promise<any>} promise @param {() => void} arrived */
  constructor(promise, arrived) {
    this.value = /** @type {any} */ (undefined);
    this.error = /** @type {unknown} */ (undefined);
    promise.then((value) => { this.value = value; }, (error) => { this.error = error; }).finally(arrived);
  }
}

/** A model, and what its embedding layer is. */
export class Served {
  /** @param {any} model as GetModel has it @param {() => void} arrived is called when something that was asked for is here */
  constructor(model, arrived) {
    this.model = model;
    this.arrived = arrived;
    /** @type {Map<string, Asked>} */
    this.asked = new Map();
  }

  /** @param {string} name @param {() => Promise<any>} ask @returns {Asked} */
  once(name, ask) {
    if (!this.asked.has(name)) this.asked.set(name, new Asked(ask(), this.arrived));
    return /** @type {Asked} */ (this.asked.get(name));
  }

  /** Asks for the arrays of the embedding: its value is {head, arrays: {NAME: {shape, values}}}. */
  embedding() {
    return this.once("embedding", async () => {
      const container = await getEmbedding(this.model);
      const each = Object.entries(container.head.arrays).map(([name, { shape, offset, dtype }]) => {
        const count = shape.reduce((/** @type {number} */ size, /** @type {number} */ side) => size * side, 1);
        return [name, { shape, values: valuesAt(container, offset, count, dtype) }];
      });
      return { head: container.head, arrays: Object.fromEntries(each) };
    });
  }
}

/** A photo that a model was asked about. */
export class Subject {
  /**
   * @param {Served} served @param {Blob} file @param {ImageBitmap | null} picture null: this browser cannot show it
   * @param {any} answer of classify, with a map of each layer and head where the model has attention
   */
  constructor(served, file, picture, answer) {
    Object.assign(this, { served, file, picture, answer });
    this.served = served;
    this.file = file;
    this.picture = picture;
    this.answer = answer;
    this.geometry = answer.geometry;
    this.maps = new Maps(answer.maps);
    /** @type {Map<string, Asked>} */
    this.asked = new Map();
  }

  get model() {
    return this.served.model;
  }

  /** @param {string} name @param {() => Promise<any>} ask @returns {Asked} */
  once(name, ask) {
    if (!this.asked.has(name)) this.asked.set(name, new Asked(ask(), this.served.arrived));
    return /** @type {Asked} */ (this.asked.get(name));
  }

  /** Asks for a part of ExplainRequest; its value is a Part. @param {string} part */
  part(part) {
    return this.once(part, async () => {
      const all = TOGETHER.find((each) => each.includes(part)) ?? [part];
      const container = await this.parts(all);
      const { dtype, parts } = container.head;
      const found = parts.find((/** @type {any} */ each) => each.part === part);
      if (!found) throw new Error(`the server did not send ${part}`);
      return { head: container.head, ...found, get: reader(container, found, dtype) };
    });
  }

  /** Asks for parts that come together. @param {string[]} parts @returns {Promise<import("./container.js").Container>} */
  parts(parts) {
    const name = `explain ${parts}`;
    const known = this.asked.get(name);
    const promise = /** @type {any} */ (known)?.promise ?? this.askParts(parts);
    if (!known) this.asked.set(name, Object.assign(new Asked(promise, () => {}), { promise }));
    return promise;
  }

  /** @param {string[]} parts */
  askParts(parts) {
    const { layers, heads, tokens } = this.model;
    const count = tokens.grid_rows * tokens.grid_cols;
    const dtype = layers * heads * count * count > MANY ? "float16" : "float32";
    return explain(this.model, this.file, { parts: parts.join(","), dtype });
  }

  /** Asks for a map of evidence, of one class or against another; its value is a Map of an answer. @param {number} index @param {number | null} versus */
  evidence(index, versus) {
    const against = versus === null ? {} : { "maps.versus_index": `${versus}` };
    const fields = { "maps.method": "evidence", "maps.class_indices": `${index}`, ...against };
    return this.once(`evidence ${index} ${versus}`, async () => (await classify(this.model, this.file, fields)).maps[0]);
  }
}

/** Returns a function that gives the block of a layer and a head. @param {any} container @param {any} part @param {string} dtype */
const reader = (container, part, dtype) => {
  const count = part.shape.reduce((/** @type {number} */ size, /** @type {number} */ side) => size * side, 1);
  const bytes = count * (dtype === "float16" ? 2 : 4);
  const known = new Map();
  return (layer = 0, head = 0) => {
    const [at, beside] = [part.layers.length ? part.layers.indexOf(layer) : 0, part.heads.length ? part.heads.indexOf(head) : 0];
    const block = at * Math.max(part.heads.length, 1) + beside;
    if (!known.has(block)) known.set(block, valuesAt(container, Number(part.offset) + block * bytes, count, dtype));
    return known.get(block);
  };
};
