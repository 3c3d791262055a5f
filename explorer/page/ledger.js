// A bar of parts that add up to a total: orange raises it, blue lowers it.

import { make } from "./elements.js";
import { fit } from "./plain.js";
import { signed } from "./text.js";

const ROW = 26;

/** Draws them below one another, each from where the one before ended. @param {HTMLCanvasElement} canvas @param {[string, number][]} parts @param {[string, number]} total */
export const drawLedger = (canvas, parts, total) => {
  const { context, width, height, colour } = fit(canvas, (parts.length + 1) * ROW + 8);
  context.textBaseline = "middle";
  const ends = parts.reduce((all, [, value]) => [...all, all[all.length - 1] + value], [0]);
  const [low, high] = [Math.min(...ends, total[1]), Math.max(...ends, total[1])];
  const names = Math.max(...[...parts, total].map(([name]) => context.measureText(name).width)) + 12;
  const room = Math.max(width - names - 72, 40);
  const place = (/** @type {number} */ value) => names + ((value - low) / Math.max(high - low, 1e-12)) * room;
  const row = (/** @type {string} */ name, /** @type {number} */ value, /** @type {number} */ from, /** @type {number} */ at) => {
    const y = at * ROW + (at === parts.length ? 6 : 0) + ROW / 2;
    const [left, right] = [place(Math.min(from, from + value)), place(Math.max(from, from + value))];
    context.fillStyle = colour("--text");
    context.textAlign = "left";
    context.fillText(name, 0, y);
    context.textAlign = "right";
    context.fillText(signed(value), width, y);
    context.fillStyle = colour(value < 0 ? "--against" : "--for");
    context.fillRect(left, y - 7, Math.max(right - left, 1), 14);
  };
  parts.forEach(([name, value], at) => row(name, value, ends[at], at));
  context.fillStyle = colour("--line");
  context.fillRect(0, parts.length * ROW + 2, width, 1);
  row(...total, 0, parts.length);
  context.fillStyle = colour("--soft");
  context.fillRect(Math.round(place(0)), 0, 1, height);
};

/** Returns them as a table, for those who cannot see the bar. @param {[string, number][]} parts @param {[string, number]} total */
export const ledgerTable = (parts, total) => make("table", {}, make("caption", { textContent: "What adds up to the answer" }), make("tbody", {},
  ...[...parts, total].map(([name, value]) => make("tr", {}, make("th", { scope: "row", textContent: name }), make("td", { textContent: signed(value) })))));
