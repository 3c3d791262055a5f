// Whose attention is shown: that of the selected patch, else of the class token, else of all patches on average.

import { placeText } from "../text.js";

/** @typedef {import("./inside.js").Inside} Inside */

/** Returns what a token is called. @param {Inside["tokens"]} tokens @param {number} token @param {any} geometry */
export const tokenName = ({ cls, distillation, registers, first_patch: first }, token, geometry) => {
  if (token >= first) return `the patch at ${placeText(geometry, token - first)}`;
  if (token < cls) return "the class token";
  if (token < cls + distillation) return "the distillation token";
  return registers > 1 ? `register ${token - cls - distillation + 1}` : "the register";
};

/** Returns the token of the selected patch, else the class token; null for all patches on average. @param {Inside["tokens"]} tokens @param {number | null} patch */
export const queryOf = ({ cls, first_patch: first }, patch) => (patch !== null ? first + patch : cls ? 0 : null);

/** Returns what a query is called. @param {Inside["tokens"]} tokens @param {number | null} patch @param {any} geometry */
export const queryName = (tokens, patch, geometry) => {
  const query = queryOf(tokens, patch);
  return query === null ? "the average patch" : tokenName(tokens, query, geometry);
};

/**
 * Returns what a query attends to, [T]; null while it is on its way.
 * @param {Inside} inside @param {number} layer @param {number} head -1: the mean over all @param {number | null} patch
 */
export const attended = (inside, layer, head, patch) => {
  const query = queryOf(inside.tokens, patch);
  return query === null ? inside.average(layer, head, false) : inside.row(layer, head, query);
};

/**
 * Returns how much each token attends to one, [T]; null while it is on its way.
 * @param {Inside} inside @param {number} layer @param {number} head @param {number | null} patch
 */
export const attending = (inside, layer, head, patch) => {
  const query = queryOf(inside.tokens, patch);
  return query === null ? inside.average(layer, head, true) : inside.column(layer, head, query);
};

/** Returns the values of the patches among those of all tokens. @param {Inside["tokens"]} tokens @param {Float32Array | null} values */
export const patchesOf = ({ first_patch: first }, values) => values && values.subarray(first);

/** Returns words for a layer and a head. @param {number} layer @param {number} head */
export const whereText = (layer, head) => `layer ${layer + 1}, ${head < 0 ? "mean of all heads" : `head ${head + 1}`}`;
