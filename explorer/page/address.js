// What is selected, in the address of the page: indices from 1; head 0 is the mean, 0 elsewhere none.

const NUMBERS = /** @type {const} */ (["layer", "head", "patch", "class", "versus"]);
const NAMES = /** @type {const} */ (["model", "sample", "beside"]);
let waiting = 0;

/** Returns what the address selects. @returns {Partial<import("./store.js").State>} */
export const fromAddress = () => {
  const found = new URLSearchParams(location.hash.slice(1));
  const number = (/** @type {string} */ name) => (Number.parseInt(found.get(name) ?? "0", 10) || 0) - 1;
  const none = (/** @type {string} */ name) => (number(name) < 0 ? null : number(name));
  return {
    ...Object.fromEntries(NAMES.map((name) => [name, found.get(name) ?? ""])),
    layer: number("layer"), head: number("head"), patch: none("patch"), pinned: none("patch"), class: none("class"), versus: none("versus"),
  };
};

/** Returns the address that selects the same. @param {import("./store.js").State} state */
export const addressOf = (state) => {
  const shown = { ...state, patch: state.pinned };
  const names = NAMES.filter((name) => state[name]).map((name) => [name, state[name]]);
  const numbers = NUMBERS.map((name) => [name, `${(shown[name] ?? -1) + 1}`]).filter(([name, value]) => value !== "0" || name === "head");
  return `#${new URLSearchParams([...names, ...numbers])}`;
};

/** Has the address say what is selected, once nothing has changed for a while: browsers allow a few changes a second. @param {import("./store.js").State} state */
export const toAddress = (state) => {
  clearTimeout(waiting);
  waiting = setTimeout(() => history.replaceState(null, "", addressOf(state)), 300);
};
