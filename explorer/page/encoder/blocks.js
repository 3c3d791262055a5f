// The parts of one answer of Explain: a block of values for each layer and head, or one of a whole part.

import { fromHalf } from "../half.js";

/** Layer and head of a part that is one block. */
export const WHOLE = -1;

/**
 * What of one part and layer has arrived: the blocks of its heads, one after another, not decoded.
 * @typedef {{values: Uint16Array | Float32Array, heads: number, shape: number[]}} Blocks
 */

/** Returns values as they are worth, a copy. @param {Uint16Array | Float32Array} values */
export const decoded = (values) => (values instanceof Uint16Array ? fromHalf(values) : values.slice());

/** Returns the bytes of all values of an answer. @param {any} head */
export const sizeOf = (head) => Math.max(0, ...head.parts.map((/** @type {any} */ one) => Number(one.offset) + Number(one.bytes)));

/**
 * Lists what of an answer has come with so many bytes and had not with fewer: part, layer and its blocks.
 * @param {any} head of the container
 * @param {Uint8Array<ArrayBuffer>} bytes all values
 * @param {number} before bytes that were there before
 * @param {number} arrived bytes that are there now
 * @returns {Generator<{part: string, layer: number, blocks: Blocks}>}
 */
export function* arrivals(head, bytes, before, arrived) {
  const Kind = head.dtype === "float16" ? Uint16Array : Float32Array;
  for (const { part, layers, heads, shape, offset } of head.parts) {
    const count = heads?.length || 1;
    const length = count * shape.reduce((/** @type {number} */ all, /** @type {number} */ side) => all * side, 1);
    for (const [at, layer] of (layers?.length ? layers : [WHOLE]).entries()) {
      const start = Number(offset) + at * length * Kind.BYTES_PER_ELEMENT;
      const end = start + length * Kind.BYTES_PER_ELEMENT;
      if (end > arrived || end <= before) continue;
      const values = new Kind(bytes.buffer, bytes.byteOffset + start, length);
      yield { part, layer, blocks: { values, heads: count, shape } };
    }
  }
}
