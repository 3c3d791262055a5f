// The logit lens: what the head would say if it read a token as it is between two layers.

/**
 * Returns the scores of logits, as the model's answers have them.
 * @param {Float32Array | number[]} logits @param {string} activation "softmax", "sigmoid" or "none"
 * @param {number} [temperature] what logits are divided by before
 */
export const scoresOf = (logits, activation, temperature = 1) => {
  const scaled = Float64Array.from(logits, (each) => each / (temperature || 1));
  if (activation === "none") return scaled;
  if (activation === "sigmoid") return scaled.map((each) => 1 / (1 + Math.exp(-each)));
  const most = scaled.reduce((one, other) => Math.max(one, other), -Infinity);
  const powers = scaled.map((each) => Math.exp(each - most));
  const sum = powers.reduce((one, other) => one + other, 0);
  return powers.map((each) => each / sum);
};

/**
 * Returns the logits that the head reads from one state: those of the class token, or the mean over patches where the
 * head reads none.
 * @param {Float32Array} lens [states, T, classes] @param {number[]} shape @param {number} state
 * @param {{cls: number, first_patch: number}} tokens
 */
export const readLens = (lens, [, count, classes], state, { cls, first_patch: first }) => {
  const at = (/** @type {number} */ token) => (state * count + token) * classes;
  if (cls) return lens.slice(at(0), at(1));
  const mean = new Float32Array(classes);
  for (let token = first; token < count; token += 1) {
    for (let one = 0; one < classes; one += 1) mean[one] += lens[at(token) + one] / (count - first);
  }
  return mean;
};

/** Returns the place of the largest. @param {ArrayLike<number>} all */
export const largest = (all) => {
  let best = 0;
  for (let at = 1; at < all.length; at += 1) if (all[at] > all[best]) best = at;
  return best;
};
