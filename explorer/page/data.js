// What the server knows about one photo and one model. Everything is asked for when it is first needed, and once.

import { classify, getEmbedding } from "./api.js";
import { valuesAt } from "./container.js";
import { openInside } from "./encoder/inside.js";
import { Maps } from "./maps.js";

/** Of so many of the most probable classes evidence is asked for at once. */
export const MOST = 5;

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
    this.served = served;
    this.file = file;
    this.picture = picture;
    this.answer = answer;
    this.geometry = answer.geometry;
    this.maps = new Maps(answer.maps);
    /** @type {Map<string, Asked>} */
    this.asked = new Map();
    /** @type {Map<string, Promise<any>>} */
    this.promises = new Map();
  }

  get model() {
    return this.served.model;
  }

  /** @param {string} name @param {() => Promise<any>} ask @returns {Asked} */
  once(name, ask) {
    if (!this.asked.has(name)) this.asked.set(name, new Asked(ask(), this.served.arrived));
    return /** @type {Asked} */ (this.asked.get(name));
  }

  /** Asks for the inside of the encoder; its value is an Inside, which fills while more arrives. */
  inside() {
    return this.once("inside", () => openInside(this));
  }

  /**
   * Asks for maps of evidence: those of the most probable classes at once, of another class by itself. Its value is a Map.
   * @param {number} index of the class
   */
  evidence(index) {
    const at = this.answer.classes.findIndex((/** @type {any} */ each) => each.index === index);
    const most = Math.min(MOST, this.answer.classes.length);
    const first = at >= 0 && at < most;
    const fields = { "maps.method": "evidence", ...(first ? { "maps.top_classes": `${most}` } : { "maps.class_indices": `${index}` }) };
    return this.once(`evidence ${index}`, async () => {
      const maps = await this.shared(`maps ${first ? "first" : index}`, async () => (await classify(this.model, this.file, fields)).maps);
      return maps.find((/** @type {any} */ each) => each.evidence.explained.index === index);
    });
  }

  /** Returns the promise of what several ask for. @param {string} name @param {() => Promise<any>} ask */
  shared(name, ask) {
    if (!this.promises.has(name)) this.promises.set(name, ask());
    return this.promises.get(name);
  }
}
