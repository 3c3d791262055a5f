// Curves over a share of the patches.

import { fit } from "./plain.js";

/** A curve: a line, dashed or not, so that colour is not all that tells them apart. @typedef {{name: string, colour: string, dash: number[], values: (number | undefined)[]}} Curve */

/**
 * Draws curves from 0 to 1, as far as they are known.
 * @param {HTMLCanvasElement} canvas @param {number[]} steps @param {Curve[]} curves @param {[number, number]} limits of the values
 * @param {(value: number) => string} said
 */
export const drawChart = (canvas, steps, curves, [low, high], said) => {
  const { context, width, height, colour } = fit(canvas, 220);
  const [left, right, top, bottom] = [46, width - 8, 10, height - 26];
  const x = (/** @type {number} */ step) => left + step * (right - left);
  const y = (/** @type {number} */ value) => bottom - ((value - low) / Math.max(high - low, 1e-12)) * (bottom - top);
  context.strokeStyle = colour("--line");
  context.fillStyle = colour("--soft");
  context.textBaseline = "middle";
  for (const share of [0, 0.5, 1]) {
    const value = low + share * (high - low);
    context.textAlign = "right";
    context.fillText(said(value), left - 6, y(value));
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(right, y(value));
    context.stroke();
    context.textAlign = share === 1 ? "right" : share ? "center" : "left";
    context.fillText(`${share * 100}\u00a0%${share === 0.5 ? " of the patches" : ""}`, x(share), height - 8);
  }
  for (const { colour: name, dash, values } of curves) {
    context.strokeStyle = colour(name);
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    values.forEach((value, at) => value !== undefined && context.lineTo(x(steps[at]), y(value)));
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = colour(name);
    values.forEach((value, at) => value !== undefined && context.fillRect(x(steps[at]) - 2.5, y(value) - 2.5, 5, 5));
  }
};
