// Numbers and places in words.

/** Returns a share in percent. @param {number} share */
export const percent = (share) => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)}\u00a0%`;

/** Returns a number with a sign and three digits. @param {number} value */
export const signed = (value) => `${value < 0 ? "\u2212" : "+"}${Math.abs(value).toPrecision(3)}`;

/** Returns the place of a patch from 1. @param {{grid_cols: number}} geometry @param {number} patch */
export const placeText = ({ grid_cols: cols }, patch) => `row ${Math.floor(patch / cols) + 1}, column ${(patch % cols) + 1}`;

/** Returns a count with its noun. @param {number} count @param {string} noun */
export const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** Returns a term of a sum, its sign apart. @param {number} value */
export const term = (value) => `${value < 0 ? "\u2212" : "+"} ${Math.abs(value).toPrecision(3)}`;
