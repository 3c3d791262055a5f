// What a panel is, and what it may need.

/**
 * A panel is a file in panels/, whose default export says what it is. It is mounted once for each photo beside the other, and
 * `mount` returns what draws it: whenever something that is selected changes while it is on the screen, and only once all that
 * it needs is there. `draw` may throw Refused to say something in its place.
 * @typedef {Object} Panel
 * @property {string} id in the address and in the document
 * @property {string} title
 * @property {string} about what it shows, in one sentence
 * @property {string} limits what it does not show, in one sentence
 * @property {Need[]} [needs]
 * @property {boolean} [ofModel] it is about the model alone, so that a second photo changes nothing
 * @property {(model: any) => string} [missing] why a model cannot have it, in one sentence; "" where it can
 * @property {(body: HTMLElement, store: import("./store.js").Store) => Draw} mount
 */

/** @typedef {(state: import("./store.js").State, subject: import("./data.js").Subject) => void} Draw */

/**
 * "attention": maps of all layers and heads. "embedding": the arrays of the embedding layer. "inside": what ExplainRequest gives.
 * @typedef {"attention" | "embedding" | "inside"} Need
 */

const WINDOWS = "This model attends within windows of the image and merges patches on the way, so that no head has a map of the whole of it.";

/** Returns why a model cannot have what a panel needs; "" where it can. @param {Need} need @param {any} model */
const lacking = (need, model) => {
  if (need === "embedding") return "";
  if (!model.tokens.attention_from) return WINDOWS;
  if (need === "inside" && !model.explain_parts?.length) return "This model was exported without what is inside of its encoder. Export it again to see this.";
  return model.methods.includes("attention") ? "" : "This model was exported without attention. Export it again to see this.";
};

/** Returns why a model cannot have a panel; "" where it can. @param {Panel} panel @param {any} model */
export const missing = (panel, model) => {
  const reasons = [panel.missing?.(model) ?? "", ...(panel.needs ?? []).map((need) => lacking(need, model))];
  return reasons.find((each) => each) ?? "";
};

/** Asks for what a panel needs, and returns all of it, as far as it was asked for. @param {Panel} panel @param {import("./data.js").Subject} subject */
export const needed = (panel, subject) => (panel.needs ?? []).filter((need) => need !== "attention")
  .map((need) => (need === "embedding" ? subject.served.embedding() : subject.inside()));
