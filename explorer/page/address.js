// What is selected, in the address of the page: layer, head and patch from 1; head 0 is the mean, patch 0 none.

let waiting = 0;

/** Returns what the address selects: the model's name, and numbers from 0, -1 for none. */
export const fromAddress = () => {
  const found = new URLSearchParams(location.hash.slice(1));
  const number = (/** @type {string} */ name) => Number.parseInt(found.get(name) ?? "0", 10) - 1;
  return { model: found.get("model") ?? "", layer: number("layer"), head: number("head"), patch: number("patch") };
};

/**
 * Has the address say what is selected, once nothing has changed for a while: browsers allow a few changes a second.
 * @param {{model: string, layer: number, head: number, patch: number | null}} selected
 */
export const toAddress = ({ model, layer, head, patch }) => {
  clearTimeout(waiting);
  const fields = { model, layer: `${layer + 1}`, head: `${head + 1}`, patch: `${(patch ?? -1) + 1}` };
  waiting = setTimeout(() => history.replaceState(null, "", `#${new URLSearchParams(fields)}`), 300);
};
