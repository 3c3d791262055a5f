// Attention rollout, with its options as sliders.

import { around, BLUE_ORANGE, extent } from "../colours.js";
import { bar, choice, slider } from "../controls.js";
import { make } from "../elements.js";
import { PhotoMap } from "../encoder/photomap.js";
import { patchesOf, queryName, queryOf } from "../encoder/query.js";
import { followed } from "../encoder/followed.js";
import { percent, signed } from "../text.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "rollout",
  title: "Rollout",
  about: "Attention mixes tokens again and again. Rollout follows it through all layers down to the photo, half of each token staying as it was.",
  limits: "what the values and the MLPs did. It is one way to add up attention, and the same for every class.",
  needs: ["inside"],
  mount: (body, store) => {
    const again = () => store.set({});
    const fusion = choice("Heads", [["mean", "mean"], ["max", "largest"], ["min", "smallest"]], again);
    const discard = slider("Discard", { min: 0, max: 0.95, step: 0.05, value: 0 }, again, (share) => `${Math.round(share * 100)}\u00a0%`);
    const from = slider("From layer", { min: 0, max: 0, value: 0 }, again, (layer) => `${layer + 1}`);
    const rolled = new PhotoMap(store, "Rollout", undefined, "of the whole");
    const raw = new PhotoMap(store, "Attention of the last layer", undefined, "of its attention");
    const difference = new PhotoMap(store, "Rollout less attention", BLUE_ORANGE, "percentage points");
    const text = make("p", { className: "text", "aria-live": "polite" });
    body.append(bar(fusion.element, discard.element, from.element), text, make("div", { className: "pair" }, rolled.element, raw.element, difference.element));
    return (state, subject) => {
      const inside = subject.inside().value;
      const { tokens, layers } = inside;
      from.show(Math.min(from.input.valueAsNumber, layers - 1), layers - 1);
      const query = queryOf(tokens, state.patch) ?? tokens.first_patch;
      const options = { fusion: /** @type {any} */ (fusion.input.value), discard: discard.input.valueAsNumber, from: from.input.valueAsNumber, token: query };
      const found = patchesOf(tokens, followed(subject, inside, options));
      const last = patchesOf(tokens, inside.row(layers - 1, -1, query));
      const name = queryName(tokens, query < tokens.first_patch ? null : query - tokens.first_patch, subject.geometry);
      rolled.show(state, subject, found, `Rollout of ${name}`, { what: "rollout", limits: found ? [0, extent(found)[1]] : undefined });
      raw.show(state, subject, last, `What ${name} attends to in the last layer`, { limits: last ? [0, extent(last)[1]] : undefined });
      const less = found && last && found.map((value, at) => value - last[at]);
      difference.show(state, subject, less, "The first less the second", { limits: less ? around(less) : undefined, said: (value) => signed(value * 100), what: "difference" });
      text.textContent = found ? describe(found, tokens.count) : "Waiting for the server …";
    };
  },
};

/** @param {Float32Array} values @param {number} count */
const describe = (values, count) => {
  const sum = values.reduce((all, each) => all + each, 0);
  return `${percent(sum)} of the rollout lies on patches, ${percent(extent(values)[1])} on the strongest of them; spread evenly, each token would have ${percent(1 / count)}.`;
};
