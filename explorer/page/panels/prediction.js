// The head's logits, and what they become.

import { make } from "../elements.js";
import { percent } from "../text.js";

/** @type {Record<string, string>} */
const BECOMES = {
  softmax: "The logits of all classes compete: softmax turns them into probabilities that add up to 100 %.",
  sigmoid: "Each label is decided by itself: sigmoid turns its logit into a probability of its own, and it applies from 50 %.",
  none: "The outputs are the answer itself; there are no probabilities.",
};
/** @type {Record<string, string>} */
const FORMULA = {
  softmax: "pᵢ = exp(zᵢ / T) / Σⱼ exp(zⱼ / T)",
  sigmoid: "pᵢ = 1 / (1 + exp(−zᵢ / T))",
};

/** @type {import("../panel.js").Panel} */
export default {
  id: "prediction",
  title: "Prediction",
  about: "What is left of all tokens after the last block goes through one more matrix, the head, which gives a number for each class: its logit.",
  limits: "whether it is right. A model is as sure of photos of what it has never seen.",
  mount: (body) => {
    const rows = make("tbody");
    const [text, formula, timing] = [make("p", { className: "text" }), make("p", { className: "formula" }), make("p", { className: "small" })];
    const heading = (/** @type {string} */ name, kind = "number") => make("th", { scope: "col", className: kind, textContent: name });
    const head = make("thead", {}, make("tr", {}, heading("class", ""), make("td"), heading("probability"), heading("logit")));
    body.append(make("table", { className: "prediction" }, head, rows), text, formula, timing);
    return (_, { answer, model }) => {
      rows.replaceChildren(...tableRows(answer));
      text.textContent = BECOMES[answer.activation] ?? "";
      const temperature = model.temperature || 1;
      formula.textContent = FORMULA[answer.activation] ? `${FORMULA[answer.activation]}, T = ${Number(temperature.toPrecision(4))}` : "";
      const { total_seconds: seconds, engine } = answer.timing;
      timing.textContent = `${answer.model}, version ${answer.version}, in ${(seconds * 1000).toFixed(0)} ms on ${engine}.`;
    };
  },
};

/** @param {any} answer */
const tableRows = ({ classes, activation }) => {
  const plain = activation === "none";
  const most = plain ? Math.max(...classes.map((/** @type {any} */ each) => Math.abs(each.logit)), 1e-9) : 1;
  return classes.map((/** @type {any} */ each) => {
    const filled = make("div");
    filled.style.width = `${((plain ? Math.abs(each.logit) : each.probability) / most) * 100}%`;
    return make(
      "tr", {}, make("th", { scope: "row", textContent: each.label }), make("td", { className: "bar" }, filled),
      make("td", { textContent: plain ? "–" : percent(each.probability) }),
      make("td", { className: "logit", textContent: each.logit.toFixed(2).replace("-", "\u2212") }),
    );
  });
};
