// A whole attention matrix as a picture: one pixel for each query and key.

import { coloured, extent, VIRIDIS } from "../colours.js";
import { tile } from "../heat.js";

/** Smaller shares than this part of the largest are as dark as can be, where the scale is logarithmic. */
const DECADES = 4;

/**
 * Returns what values are drawn as, and within which limits.
 * @param {Float32Array} matrix @param {boolean} logarithmic @returns {{values: Float32Array, limits: [number, number]}}
 */
export const scaled = (matrix, logarithmic) => {
  const most = extent(matrix)[1] || 1;
  if (!logarithmic) return { values: matrix, limits: [0, most] };
  const top = Math.log10(most);
  return { values: matrix.map((value) => Math.max(Math.log10(Math.max(value, 1e-30)), top - DECADES)), limits: [top - DECADES, top] };
};

/** Returns a canvas of T × T pixels. @param {Float32Array} matrix @param {number} count @param {boolean} logarithmic */
export const matrixTile = (matrix, count, logarithmic) => {
  const { values, limits } = scaled(matrix, logarithmic);
  return tile(coloured(values, count, VIRIDIS, limits));
};
