// The model's input with some patches left out, and how answers change as more are.

/** @typedef {import("./pixels.js").Pixels} Pixels */

/** Shares of the patches at which a curve is measured. */
export const STEPS = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1];

/** Returns patches in an order of chance, the same for the same seed. @param {number} count @param {number} seed */
export const shuffled = (count, seed) => {
  const found = Array.from({ length: count }, (_, at) => at);
  let state = seed;
  for (let at = count - 1; at > 0; at -= 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const other = Math.floor((state / 2 ** 32) * (at + 1));
    [found[at], found[other]] = [found[other], found[at]];
  }
  return found;
};

/** Returns the colour that is nothing to the model, its mean. @param {any} model @returns {number[]} */
export const grey = ({ input }) => input.mean.map((/** @type {number} */ value) => Math.min(Math.max(Math.round(value * 255), 0), 255));

/**
 * Returns pixels in which only some patches are kept.
 * @param {Pixels} pixels @param {{grid_rows: number, grid_cols: number}} geometry @param {Set<number>} kept @param {number[]} colour of the rest
 * @returns {Pixels}
 */
export const keepOnly = ({ rgb, width, height }, { grid_rows: rows, grid_cols: cols }, kept, colour) => {
  const found = new Uint8Array(rgb);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const patch = Math.floor((y * rows) / height) * cols + Math.floor((x * cols) / width);
      if (!kept.has(patch)) found.set(colour, (y * width + x) * 3);
    }
  }
  return { rgb: found, width, height };
};

/**
 * Returns the patches that are kept when a share has been deleted in an order, or inserted.
 * @param {number[]} order @param {number} share @param {"delete" | "insert"} how
 */
export const keptAfter = (order, share, how) => {
  const count = Math.round(share * order.length);
  return new Set(how === "delete" ? order.slice(count) : order.slice(0, count));
};

/** Returns the mean height of a curve over STEPS. @param {number[]} curve */
export const area = (curve) => {
  let sum = 0;
  for (let at = 1; at < curve.length; at += 1) sum += ((curve[at] + curve[at - 1]) / 2) * (STEPS[at] - STEPS[at - 1]);
  return sum;
};

/** Calls a function for each item, a few at a time, until all are done or it is cancelled. @template T @param {T[]} items @param {number} few @param {AbortSignal} signal @param {(item: T) => Promise<void>} each */
export const fewAtOnce = async (items, few, signal, each) => {
  const waiting = [...items];
  const work = async () => {
    for (let item = waiting.shift(); item !== undefined && !signal.aborted; item = waiting.shift()) await each(item);
  };
  await Promise.all(Array.from({ length: few }, work));
};
