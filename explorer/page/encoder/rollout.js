// Attention rollout (Abnar & Zuidema 2020), as the server computes it: attention followed through the layers to the image.

import { HALF } from "../half.js";

/** @typedef {"mean" | "max" | "min"} Fusion */

/**
 * Fuses the heads of a layer to one matrix, [T, T].
 * @param {import("./blocks.js").Blocks} matrices of one layer, [heads, T, T]
 * @param {Fusion} fusion
 */
export const fuse = ({ values, heads, shape: [count] }, fusion) => {
  const size = count * count;
  const half = values instanceof Uint16Array;
  const found = new Float32Array(size);
  for (let at = 0; at < size; at += 1) {
    let fused = fusion === "mean" ? 0 : half ? HALF[values[at]] : values[at];
    for (let head = 0, from = at; head < heads; head += 1, from += size) {
      const value = half ? HALF[values[from]] : values[from];
      if (fusion === "mean") fused += value;
      else if (fusion === "max" ? value > fused : value < fused) fused = value;
    }
    found[at] = fusion === "mean" ? fused / heads : fused;
  }
  return found;
};

/**
 * Returns the row of one token of the product over layers of 0.5 A + 0.5 I, with rows that sum to 1.
 * @param {(layer: number) => Float32Array} fused returns the fused matrix of a layer, [T, T]
 * @param {{layers: number, from: number, count: number, token: number, discard: number, prefix: number}} options
 *   from: the first layer of the product. discard: share of the patches that are set to 0 in each row, those with the
 *   least attention, rounded down to whole patches. prefix: tokens before the patches, which are kept
 */
export const rollout = (fused, { layers, from, count, token, discard, prefix }) => {
  const dropped = Math.floor(Math.fround(discard) * (count - prefix)); // the server has it in 32 bits
  const scratch = new Float32Array(count - prefix);
  let row = new Float64Array(count);
  row[token] = 1;
  for (let layer = layers - 1; layer >= from; layer -= 1) {
    const matrix = fused(layer);
    const next = new Float64Array(count);
    for (let query = 0; query < count; query += 1) {
      if (row[query]) follow(matrix.subarray(query * count, (query + 1) * count), query, row[query], next, dropped, prefix, scratch);
    }
    row = next;
  }
  return Float32Array.from(row);
};

/** Adds what one query's share of attention becomes in the layer below. */
const follow = (
  /** @type {Float32Array} */ weights, /** @type {number} */ query, /** @type {number} */ share, /** @type {Float64Array} */ next,
  /** @type {number} */ dropped, /** @type {number} */ prefix, /** @type {Float32Array} */ scratch,
) => {
  const kept = dropped ? without(weights, dropped, prefix, scratch) : weights;
  let sum = 1;
  for (let key = 0; key < kept.length; key += 1) sum += kept[key];
  const scale = share / sum;
  for (let key = 0; key < kept.length; key += 1) next[key] += scale * kept[key];
  next[query] += scale;
};

/** Returns a row without its smallest patches. Of equal ones the first are dropped. */
const without = (
  /** @type {Float32Array} */ weights, /** @type {number} */ dropped, /** @type {number} */ prefix, /** @type {Float32Array} */ scratch,
) => {
  scratch.set(weights.subarray(prefix));
  const most = smallest(scratch, dropped - 1);
  const kept = weights.slice();
  let left = dropped;
  for (let key = prefix; key < kept.length; key += 1) if (kept[key] < most) [kept[key], left] = [0, left - 1];
  for (let key = prefix; key < kept.length && left; key += 1) if (kept[key] === most) [kept[key], left] = [0, left - 1];
  return kept;
};

/** Returns the value that would stand at a place if all were sorted, and mixes them up (quickselect). @param {Float32Array} all @param {number} place */
export const smallest = (all, place) => {
  let [low, high] = [0, all.length - 1];
  while (low < high) {
    const pivot = all[(low + high) >> 1];
    let [left, right] = [low, high];
    while (left <= right) {
      while (all[left] < pivot) left += 1;
      while (all[right] > pivot) right -= 1;
      if (left <= right) {
        const kept = all[left];
        all[left] = all[right];
        all[right] = kept;
        left += 1;
        right -= 1;
      }
    }
    if (place <= right) high = right;
    else if (place >= left) low = left;
    else break;
  }
  return all[place];
};
