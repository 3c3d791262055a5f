// Where the selected patch attends to, and who attends to it.

import { extent } from "../colours.js";
import { make } from "../elements.js";
import { PhotoMap } from "../encoder/photomap.js";
import { attended, attending, patchesOf, queryName, whereText } from "../encoder/query.js";
import { percent } from "../text.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "attention",
  title: "Attention of a patch",
  about: "Point at a patch to see where it attends to and who attends to it, click to keep it, and hold Shift and click to set a second one beside it.",
  limits: "what was done with what was read. Much attention to a patch does not mean that it mattered for the answer.",
  needs: ["inside"],
  mount: (body, store) => {
    const pair = () => [new PhotoMap(store, "Where it attends to", undefined, "of its attention"), new PhotoMap(store, "Who attends to it", undefined, "of theirs")];
    const [first, second] = [pair(), pair()];
    const [one, other] = [first, second].map((maps) => make("div", { className: "pair" }, ...maps.map((each) => each.element)));
    const text = make("p", { className: "text", "aria-live": "polite" });
    body.append(text, one, other);
    return (state, subject) => {
      text.textContent = describe(state, subject, drawPair(first, state, subject, state.patch));
      other.hidden = state.other === null;
      if (state.other !== null) drawPair(second, state, subject, state.other);
    };
  },
};

/** @param {PhotoMap[]} maps @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {number | null} patch */
const drawPair = ([from, to], state, subject, patch) => {
  const inside = subject.inside().value;
  const { layer, head } = state;
  const whole = attended(inside, layer, head, patch);
  const [row, column] = [whole, attending(inside, layer, head, patch)].map((each) => patchesOf(inside.tokens, each));
  const name = queryName(inside.tokens, patch, subject.geometry);
  from.show(state, subject, row, `Where ${name} attends to`, { limits: limitsOf(row) });
  to.show(state, subject, column, `Who attends to ${name}`, { limits: limitsOf(column) });
  return whole;
};

/** From nothing, so that even attention looks even. @param {Float32Array | null} values @returns {[number, number] | undefined} */
const limitsOf = (values) => (values ? [0, extent(values)[1]] : undefined);

/** @param {import("../store.js").State} state @param {import("../data.js").Subject} subject @param {Float32Array | null} row */
const describe = ({ layer, head, patch }, subject, row) => {
  if (!row) return "Waiting for the server …";
  const { tokens } = subject.inside().value;
  const before = row.subarray(0, tokens.first_patch).reduce((sum, each) => sum + each, 0);
  const rest = tokens.first_patch ? ` ${percent(before)} goes to ${tokens.first_patch === tokens.cls ? "the class token" : "tokens that are no patches"}.` : "";
  const own = patch === null ? "" : ` ${percent(row[tokens.first_patch + patch])} stays with the patch itself.`;
  return `In ${whereText(layer, head)}, ${queryName(tokens, patch, subject.geometry)} spreads its attention over all tokens.${own}${rest}`;
};
