// What a model is told of where patches lie: one map for each position, by whichever way it is told.

import { biasFrom, similarities } from "./alike.js";

/**
 * What a panel of positions shows.
 * @typedef {Object} Places
 * @property {string} kind "table", "sine", "rope" or "relative"
 * @property {number} rows @property {number} cols
 * @property {(place: number, head: number) => Float32Array} map of one position to all, [rows * cols]
 * @property {{name: string, map: Float32Array}[]} prefix maps of tokens that are not patches
 * @property {boolean} byHead whether each head has its own
 * @property {[number, number]} limits of all maps
 */

/** @param {Float32Array} vectors of all positions @param {number} rows @param {number} cols @param {string} kind @returns {Places} */
const alike = (vectors, rows, cols, kind) => {
  const count = rows * cols;
  const all = similarities(vectors, vectors, vectors.length / count);
  let low = 1;
  for (const value of all) low = Math.min(low, value);
  return { kind, rows, cols, map: (place) => all.subarray(place * count, (place + 1) * count), prefix: [], byHead: false, limits: [low, 1] };
};

/** Returns what is known of positions; null where the model is told nothing of them. @param {import("./kernel.js").Embedding} embedding @returns {Places | null} */
export const placesOf = ({ head, arrays }) => {
  const [rows, cols] = head.grid;
  const { positions, rope, relative_bias: bias } = arrays;
  if (positions) {
    const width = positions.shape[1];
    const before = positions.shape[0] - rows * cols;
    const patches = positions.values.subarray(before * width);
    const found = alike(patches, rows, cols, head.kinds?.includes("sine") ? "sine" : "table");
    for (let at = 0; at < before; at += 1) {
      const vector = positions.values.subarray(at * width, (at + 1) * width);
      if (vector.some((value) => value !== 0)) found.prefix.push({ name: head.prefix[at] ?? `token ${at + 1}`, map: similarities(vector, patches, width) });
    }
    return found;
  }
  if (rope) return alike(rope.values, rope.shape[0] === rows * cols ? rows : 1, rope.shape[0] === rows * cols ? cols : rope.shape[0], "rope");
  if (!bias) return null;
  const [down, across] = [(bias.shape[1] + 1) / 2, (bias.shape[2] + 1) / 2];
  const size = bias.shape[1] * bias.shape[2];
  let most = 0;
  for (const value of bias.values) most = Math.max(most, Math.abs(value));
  const map = (/** @type {number} */ place, /** @type {number} */ one) => {
    const at = Math.min(Math.max(one, 0), bias.shape[0] - 1);
    return biasFrom(bias.values.subarray(at * size, (at + 1) * size), down, across, place);
  };
  return { kind: "relative", rows: down, cols: across, map, prefix: [], byHead: true, limits: [-most, most] };
};
