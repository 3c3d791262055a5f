// The heads of a model in the order of a figure, and how alike two of them are.

/**
 * Returns layer and head of all, sorted: by their place, or by a figure, its smallest first.
 * @param {number} layers @param {number} heads
 * @param {((layer: number, head: number) => number | null) | null} figure null for a head of which none is known: it comes last
 * @returns {{layer: number, head: number}[]}
 */
export const sorted = (layers, heads, figure) => {
  const all = Array.from({ length: layers * heads }, (_, at) => ({ layer: Math.floor(at / heads), head: at % heads }));
  if (!figure) return all;
  const known = new Map(all.map((one) => [one, figure(one.layer, one.head) ?? Infinity]));
  const value = (/** @type {{layer: number, head: number}} */ one) => /** @type {number} */ (known.get(one));
  return all.sort((one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : 0));
};

/** Returns the cosine of the angle between two rows: 1 where they are alike. @param {Float32Array} one @param {Float32Array} other */
export const alike = (one, other) => {
  let [dot, left, right] = [0, 0, 0];
  for (let at = 0; at < one.length; at += 1) {
    dot += one[at] * other[at];
    left += one[at] ** 2;
    right += other[at] ** 2;
  }
  return left && right ? dot / Math.sqrt(left * right) : 0;
};
