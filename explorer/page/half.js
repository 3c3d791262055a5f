// Numbers of 16 bits (IEEE 754 binary16), as the server sends them, decoded by a table of all 65,536.

/** What each of them is worth. @type {Float32Array} */
export const HALF = Float32Array.from({ length: 65536 }, (_, bits) => {
  const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
});

/** Returns such numbers as floats of 32 bits, a copy. @param {Uint16Array} halves */
export const fromHalf = (halves) => {
  const found = new Float32Array(halves.length);
  for (let at = 0; at < halves.length; at += 1) found[at] = HALF[halves[at]];
  return found;
};
