// Lengths of tokens, and which of them stand out.

/** A token is an outlier whose length is more than so many times the median: as the server has it. */
export const OUTLIER = 3;

/** Returns the middle of values, as numpy has it. @param {Float32Array} values */
export const median = (values) => {
  const all = Float32Array.from(values).sort();
  const half = all.length >> 1;
  return all.length % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
};

/** Returns the lengths of all tokens before the first block (0) or after a block (from 1). @param {{values: Float32Array, shape: number[]}} norms @param {number} state */
export const normsOf = ({ values, shape: [, count] }, state) => values.slice(state * count, (state + 1) * count);

/** Returns lengths as multiples of the median of the patches, of patches alone. @param {Float32Array} norms of all tokens @param {number} first */
export const relative = (norms, first) => {
  const patches = norms.subarray(first);
  const middle = median(patches) || 1;
  return patches.map((each) => each / middle);
};
