// Arrays as the server sends them: the length of a JSON head, the head, and the values.

/** The JSON head of a reply, and its values, little-endian. @typedef {{head: any, bytes: ArrayBuffer, start: number}} Container */

/** Returns the head, and where the values begin. Throws RangeError for what is none. @param {ArrayBuffer} bytes @returns {Container} */
export const openContainer = (bytes) => {
  const length = new DataView(bytes).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
  return { head, bytes, start: 4 + length };
};

/** float16 as float32, by its bits. */
const HALVES = () => {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits += 1) {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else table[bits] = sign * (exponent ? 2 ** (exponent - 25) * (1024 + fraction) : 2 ** -24 * fraction);
  }
  return table;
};
/** @type {Float32Array | undefined} */
let halves;

/**
 * Returns values of a container as float32; of float32 without copying them.
 * @param {Container} container @param {number} offset in bytes after the head @param {number} count @param {string} dtype
 */
export const valuesAt = ({ bytes, start }, offset, count, dtype) => {
  if (dtype === "float32") return new Float32Array(bytes, start + offset, count);
  halves ??= HALVES();
  const table = halves;
  return Float32Array.from(new Uint16Array(bytes, start + offset, count), (bits) => table[bits]);
};
