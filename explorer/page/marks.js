// Outlines of the patches that are selected.

import { MARK, outlinePatch } from "./draw.js";

/**
 * Outlines the pinned patch, the one it is compared with, and the one under the pointer.
 * @param {CanvasRenderingContext2D} context whose unit is a pixel of the photo @param {any} geometry
 * @param {{patch: number | null, pinned: number | null, other: number | null}} selected @param {number} scale
 */
export const markPatches = (context, geometry, { patch, pinned, other }, scale) => {
  const marked = new Map([[other, "#4fd1ff"], [pinned, "#ffffff"], [patch, MARK]]);
  for (const [each, colour] of marked) {
    if (each !== null && each < geometry.grid_rows * geometry.grid_cols) outlinePatch(context, geometry, each, scale, colour);
  }
};
