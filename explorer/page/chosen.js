// Which class a panel is about, and its evidence once it is there.

import { against, evidenceOf } from "./evidence.js";

/** Returns the index of the class that is explained. @param {import("./store.js").State} state @param {import("./data.js").Subject} subject @returns {number} */
export const chosenClass = (state, subject) => {
  if (!subject.model.methods.includes("evidence")) return subject.maps.method === "cam" ? subject.answer.maps[0].about.index : subject.answer.classes[0].index;
  return state.class ?? subject.answer.classes[0].index;
};

/** @type {WeakMap<object, import("./evidence.js").Evidence>} */
const known = new WeakMap();

/**
 * Asks for the evidence of a class, or for why it is rather than another; undefined until that is there. Throws Refused.
 * @param {import("./data.js").Subject} subject @param {number} index @param {number | null} [versus]
 * @returns {import("./evidence.js").Evidence | undefined}
 */
export const evidenceAsked = (subject, index, versus = null) => {
  if (versus !== null) {
    const [one, other] = [evidenceAsked(subject, index), evidenceAsked(subject, versus)];
    return one && other && against(one, other);
  }
  if (!subject.model.methods.includes("evidence")) return index === subject.answer.maps[0].about.index ? evidenceOf(subject.answer.maps[0], subject.answer) : undefined;
  const asked = subject.evidence(index);
  if (asked.error !== undefined) throw asked.error;
  if (asked.value === undefined) return undefined;
  const before = known.get(asked.value);
  const found = before ?? evidenceOf(asked.value, subject.answer);
  known.set(asked.value, found);
  return found;
};
