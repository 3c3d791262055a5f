// Two figures of an attention matrix: over how many tokens attention is spread, and how far away it goes.

import { HALF } from "../half.js";

/** -p log2(p) of every number of 16 bits that is a share. */
const SURPRISE = Float32Array.from(HALF, (p) => (p > 0 && p < 2 ? -p * Math.log2(p) : 0));

/**
 * Returns the entropy of one row of attention in bits: 0 where all goes to one token, log2 of their number where it is
 * spread evenly.
 * @param {Float32Array} row
 */
export const entropyOf = (row) => row.reduce((sum, p) => (p > 0 ? sum - p * Math.log2(p) : sum), 0);

/**
 * Returns the mean entropy of the rows of each head in bits.
 * @param {import("./blocks.js").Blocks} matrices of one layer, [heads, T, T]
 */
export const entropies = ({ values, heads, shape: [count] }) => {
  const size = count * count;
  return Float32Array.from({ length: heads }, (_, head) => {
    let sum = 0;
    for (let at = head * size; at < (head + 1) * size; at += 1) {
      const p = values[at];
      sum += values instanceof Uint16Array ? SURPRISE[p] : p > 0 ? -p * Math.log2(p) : 0;
    }
    return sum / count;
  });
};

/**
 * Returns the mean attention distance of each head (Dosovitskiy et al. 2021, figure 11): how far a patch looks, in pixels
 * of the model's input; what goes to tokens that are no patches is left out.
 * @param {import("./blocks.js").Blocks} matrices of one layer, [heads, T, T]
 * @param {{first_patch: number, rows: number, cols: number}} tokens
 * @param {{patch_width: number, patch_height: number}} geometry
 */
export const distances = ({ values, heads, shape: [count] }, { first_patch: first, rows, cols }, geometry) => {
  const away = distanceTable(rows, cols, geometry.patch_width, geometry.patch_height);
  const half = values instanceof Uint16Array;
  return Float32Array.from({ length: heads }, (_, head) => {
    let total = 0;
    for (let row = 0; row < rows; row += 1) {
      for (let col = 0; col < cols; col += 1) {
        let at = (head * count + first + row * cols + col) * count + first;
        let [far, mass] = [0, 0];
        for (let down = -row; down < rows - row; down += 1) {
          let place = (down + rows - 1) * (2 * cols - 1) + cols - 1 - col;
          for (let right = 0; right < cols; right += 1, at += 1, place += 1) {
            const p = half ? HALF[values[at]] : values[at];
            far += p * away[place];
            mass += p;
          }
        }
        total += mass > 0 ? far / mass : 0;
      }
    }
    return total / (rows * cols);
  });
};

/** Distances by rows down, from 1 - rows, and columns to the right, from 1 - cols. */
const distanceTable = (/** @type {number} */ rows, /** @type {number} */ cols, /** @type {number} */ width, /** @type {number} */ height) => {
  const found = new Float32Array((2 * rows - 1) * (2 * cols - 1));
  for (let at = 0; at < found.length; at += 1) {
    const [down, right] = [Math.floor(at / (2 * cols - 1)) - rows + 1, (at % (2 * cols - 1)) - cols + 1];
    found[at] = Math.hypot(down * height, right * width);
  }
  return found;
};
