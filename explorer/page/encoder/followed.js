// Rollout computed here from the matrices, or by the server where they are too many to have all of them here.

import { readAll } from "./asking.js";
import { fuse, rollout } from "./rollout.js";

/** @typedef {{fusion: import("./rollout.js").Fusion, discard: number, from: number, token: number}} Options */

/** The last rollout of each photo, since several panels and frames ask for the same. @type {WeakMap<object, {of: string, values: Float32Array}>} */
const latest = new WeakMap();

/**
 * Returns the row of a token, [T]; null while what it needs is on its way. Throws Refused.
 * @param {import("../data.js").Subject} subject @param {import("./inside.js").Inside} inside @param {Options} options
 */
export const followed = (subject, inside, options) => {
  if (!inside.asking.plan.atOnce) return served(subject, options);
  const of = JSON.stringify(options);
  const known = latest.get(inside);
  if (known?.of === of) return known.values;
  const { layers, tokens: { count, first_patch: prefix } } = inside;
  const all = Array.from({ length: layers }, (_, layer) => inside.asking.blocks("matrices", layer));
  if (all.some((each) => !each)) return null;
  const fused = (/** @type {number} */ layer) => inside.once(`${options.fusion}/${layer}`, () => fuse(/** @type {any} */ (all[layer]), options.fusion));
  const values = rollout(fused, { ...options, layers, count, prefix });
  latest.set(inside, { of, values });
  return values;
};

/** @param {import("../data.js").Subject} subject @param {Options} options */
const served = (subject, { fusion, discard, from, token }) => {
  const fields = { parts: "rollout", tokens: `${token}`, "rollout.fusion": fusion, "rollout.discard": `${discard}`, "rollout.from_layer": `${from}` };
  const asked = subject.once(`rollout ${JSON.stringify(fields)}`, () => readAll(subject.model, subject.file, fields));
  if (asked.error !== undefined) throw asked.error;
  return /** @type {Float32Array | null} */ (asked.value ?? null);
};
