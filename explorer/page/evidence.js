// Evidence of classes: maps of shares with a ledger that adds up, and the difference of two.

import { values } from "./maps.js";

/**
 * @typedef {Object} Evidence
 * @property {Float32Array} values share of each patch, of both signs
 * @property {[string, number][]} parts of the ledger
 * @property {number} target what they add up to
 * @property {string} unit of all of them
 * @property {number | null} lastBlock what the last block read, as a share of what the target gained
 * @property {number | null} border share of the border of the grid
 */

/** @type {Record<string, string>} */
const UNITS = { log_probability: "log-probability", logit: "logit" };

/** Returns what an answer says of one class. @param {any} map of an answer, by the methods evidence or cam @param {any} answer @returns {Evidence} */
export const evidenceOf = (map, answer) => {
  const found = values(map.values);
  if (map.method === "cam") {
    const logit = answer.classes.find((/** @type {any} */ each) => each.index === map.about.index)?.logit ?? 0;
    const parts = /** @type {[string, number][]} */ ([["head's bias", map.about.rest], ["patches", map.stats.sum]]);
    return { values: found, parts, target: logit, unit: "logit", lastBlock: null, border: null };
  }
  const { ledger, target, shares } = map.evidence;
  const named = [["before the last block", ledger.base], ["patches", ledger.patches], ["class token itself", ledger.cls_self],
    ["registers", ledger.registers], ["left over", ledger.completeness_error]];
  const parts = /** @type {[string, number][]} */ (named.filter(([, value]) => value !== undefined && value !== null));
  const kept = parts.filter(([name, value]) => value !== 0 && (name !== "left over" || Math.abs(value) > 1e-4 * Math.max(1, Math.abs(ledger.target))));
  return {
    values: found, parts: kept, target: ledger.target, unit: UNITS[target] ?? target, lastBlock: ledger.last_block_share ?? null,
    border: shares?.border ?? null,
  };
};

/** Returns why one class rather than another: an exact subtraction. @param {Evidence} one @param {Evidence} other @returns {Evidence} */
export const against = (one, other) => {
  const names = [...new Set([...one.parts, ...other.parts].map(([name]) => name))];
  const value = (/** @type {Evidence} */ { parts }, /** @type {string} */ name) => parts.find(([each]) => each === name)?.[1] ?? 0;
  return {
    values: one.values.map((each, at) => each - other.values[at]),
    parts: names.map((name) => [name, value(one, name) - value(other, name)]),
    target: one.target - other.target, unit: one.unit, lastBlock: null, border: null,
  };
};
