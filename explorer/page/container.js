// Arrays as the server sends them: the length of a JSON head, the head, and the values.

import { fromHalf } from "./half.js";

/** The JSON head of a reply, and its values, little-endian. @typedef {{head: any, bytes: ArrayBuffer, start: number}} Container */

/** Returns the head, and where the values begin. Throws RangeError for what is none. @param {ArrayBuffer} bytes @returns {Container} */
export const openContainer = (bytes) => {
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { head, bytes, start: 4 + length };
};

/**
 * Returns values of a container as float32; of float32 without copying them.
 * @param {Container} container @param {number} offset in bytes after the head @param {number} count @param {string} dtype
 */
export const valuesAt = ({ bytes, start }, offset, count, dtype) => {
  if (dtype === "float32") return new Float32Array(bytes, start + offset, count);
  return fromHalf(new Uint16Array(bytes, start + offset, count));
};
