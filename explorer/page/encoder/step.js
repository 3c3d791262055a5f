// One step of attention with its numbers: q . k / sqrt(d), softmax, weighted sum of V.

/**
 * Returns the scores of one query with every key, q . k / sqrt(d).
 * @param {Float32Array} query [d] @param {Float32Array} keys [T, d]
 */
export const scoresWith = (query, keys) => {
  const [width, root] = [query.length, Math.sqrt(query.length)];
  return Float32Array.from({ length: keys.length / width }, (_, token) => {
    let sum = 0;
    for (let at = 0; at < width; at += 1) sum += query[at] * keys[token * width + at];
    return sum / root;
  });
};

/** Returns the sum of values, each times its weight. @param {ArrayLike<number>} weights [T] @param {Float32Array} values [T, d] */
export const weightedSum = (weights, values) => {
  const width = values.length / weights.length;
  const found = new Float32Array(width);
  for (let token = 0; token < weights.length; token += 1) {
    for (let at = 0; at < width; at += 1) found[at] += weights[token] * values[token * width + at];
  }
  return found;
};

/** Returns a vector as parts of 1, to be shown where the products of two are added. @param {Float32Array} one @param {Float32Array} other */
export const products = (one, other) => one.map((value, at) => value * other[at]);
