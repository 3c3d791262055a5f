// Blocks of values that are here, in bounded memory: of those of single layers the latest used are kept.

/** So many bytes of single layers are kept. */
const KEPT = 96 * 2 ** 20;

/** @typedef {import("./blocks.js").Blocks} Blocks */

export class Shelf {
  /** @param {number} [kept] bytes */
  constructor(kept = KEPT) {
    this.room = kept;
    /** @type {Map<string, {blocks: Blocks, bytes: number}>} */
    this.found = new Map();
  }

  /** Adds blocks. loose: they may be let go of when there are too many. @param {string} key @param {Blocks} blocks @param {boolean} loose */
  put(key, blocks, loose) {
    const bytes = loose ? blocks.values.byteLength : 0;
    this.found.set(key, { blocks, bytes });
    this.room -= bytes;
    for (const [other, { bytes: freed }] of this.found) {
      if (this.room >= 0) break;
      if (!freed || other === key) continue;
      this.found.delete(other);
      this.room += freed;
    }
  }

  /** Returns blocks that are here, which makes them the latest used; else null. @param {string} key */
  get(key) {
    const found = this.found.get(key);
    if (!found) return null;
    this.found.delete(key);
    this.found.set(key, found);
    return found.blocks;
  }
}
