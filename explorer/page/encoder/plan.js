// What is asked for, and in how many answers, so that a large model does not fill the memory.

/** Parts that come first: small, and for all layers. */
export const BASE = ["token_norms", "updates", "lens"];
export const MATRICES = ["matrices"];
export const STEP = ["queries", "keys", "values"];

/** Up to so many bytes everything comes in one answer: enough for ViT-B/16 with 224 pixels. */
const AT_ONCE = 48 * 2 ** 20;
/** Up to so many the lens has all classes. */
const LENS = 8 * 2 ** 20;
/** Up to so many numbers they come with 32 bits. */
const EXACT = 2 ** 20;

/**
 * atOnce: whether all layers come in the first answer. without: parts that the model does not send.
 * @typedef {{atOnce: boolean, without: string[], dtype: string, allClasses: boolean}} Plan
 */

/** Returns what to ask for. @param {any} model as GetModel has it @returns {Plan} */
export const planOf = ({ layers, heads, width, tokens, labels, explain_parts: parts }) => {
  const count = tokens.cls_tokens + tokens.distillation_tokens + tokens.register_tokens + tokens.grid_rows * tokens.grid_cols;
  const numbers = layers * (heads * count ** 2 + 3 * count * width);
  const lens = (layers + 1) * count * labels.length;
  return {
    atOnce: numbers * 2 <= AT_ONCE,
    without: parts?.length ? BASE.filter((part) => !parts.includes(part)) : [],
    dtype: numbers + lens <= EXACT ? "float32" : "float16",
    allClasses: lens * 2 <= LENS,
  };
};

/** Returns the fields of a request for parts. @param {any} model @param {Plan} plan @param {string[]} parts @returns {Record<string, string>} */
export const fieldsOf = (model, plan, parts) => {
  const fields = { parts: parts.join(","), dtype: plan.dtype };
  return parts.includes("lens") && plan.allClasses ? { ...fields, lens_classes: [...model.labels.keys()].join(",") } : fields;
};

/** Returns which of some parts a model has, by the words of a refusal; null where it is about something else. @param {string} refusal @param {string[]} parts */
export const offered = (refusal, parts) => {
  const accepted = /^parts.*?accepted: (?:at least one of )?(.*?)(?:, each once)?$/s.exec(refusal)?.[1].split(", ");
  return accepted ? parts.filter((part) => accepted.includes(part)) : null;
};
