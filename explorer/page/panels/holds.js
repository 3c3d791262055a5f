// Whether a map holds: what the model says when the patches that it names are taken away, or are all that is left.

import { classifyPixels, Refused } from "../api.js";
import { drawChart } from "../chart.js";
import { chosenClass, evidenceAsked } from "../chosen.js";
import { bar, button, choice, slider } from "../controls.js";
import { make } from "../elements.js";
import { area, fewAtOnce, grey, keepOnly, keptAfter, shuffled, STEPS } from "../masking.js";
import { asImage, modelPixels } from "../pixels.js";
import { percent } from "../text.js";
import { ranked } from "../words.js";

/** Requests that are under way at once. */
const FEW = 3;
/** Milliseconds without a change, before the model is asked what it makes of what is kept. */
const SETTLED = 250;
const CURVES = /** @type {const} */ ([
  { key: "most", name: "most important first", colour: "--for", dash: [] },
  { key: "least", name: "least important first", colour: "--against", dash: [7, 4] },
  { key: "random", name: "in an order of chance", colour: "--soft", dash: [2, 3] },
]);

/** @type {import("../panel.js").Panel} */
export default {
  id: "holds",
  title: "Does it hold?",
  about: "A map that names what decided can be tested: without these patches the probability should fall fast, with few of them alone it should stay. Each point is a question to the model.",
  limits: "what the model would make of a photo without this object. Patches in one colour are nothing that it was trained on.",
  missing: ({ methods }) => (methods.length ? "" : "This model was exported without maps, so that there is none to test."),
  mount: (body, store) => new Holds(body, store).draw,
};

/** What is tested. @typedef {{subject: import("../data.js").Subject, target: number, order: number[]}} Tested */

class Holds {
  /** @param {HTMLElement} body @param {import("../store.js").Store} store */
  constructor(body, store) {
    this.share = 0.2;
    this.asking = new AbortController();
    this.trying = new AbortController();
    this.settling = 0;
    this.about = "";
    this.tried = "";
    /** @type {Tested | null} */
    this.tested = null;
    /** @type {object | null} */
    this.triedFor = null;
    /** @type {Record<string, (number | undefined)[]>} */
    this.curves = {};
    this.map = choice("Map", [["evidence", "evidence of the class"], ["attention", "attention, as selected"]], () => this.forget(() => store.set({})));
    this.how = choice("", [["delete", "delete patches"], ["insert", "insert patches"]], () => this.forget(() => store.set({})));
    this.how.input.setAttribute("aria-label", "Delete or insert patches");
    this.measure = button("Measure", () => this.run());
    this.measure.classList.add("main");
    this.cancel = button("Cancel", () => this.asking.abort());
    this.cancel.hidden = true;
    this.keep = slider("Keep the top", { min: 5, max: 100, step: 5, value: 20 }, (value) => { this.share = value / 100; store.set({}); }, (value) => `${value}\u00a0%`);
    this.masked = make("canvas", { className: "pixels input", role: "img", "aria-label": "the input with its most important patches" });
    this.kept = make("p", { className: "text", "aria-live": "polite" });
    this.result = make("p", { className: "text", "aria-live": "polite" });
    this.chart = make("canvas", { role: "img", "aria-label": "probability against the share of patches" });
    const key = make("p", { className: "small" }, ...CURVES.flatMap(({ name, colour }) => [make("span", { className: `line ${colour.slice(2)}` }, ` ${name}`), " "]));
    const left = make("div", {}, bar(this.how.element, this.measure, this.cancel), this.chart, key, this.result);
    const right = make("div", {}, this.keep.element, this.masked, this.kept);
    body.append(bar(this.map.element), make("div", { className: "split" }, left, right));
    this.draw = this.draw.bind(this);
  }

  /** Starts anew when what the curves are about has changed. @param {() => void} then */
  forget(then) {
    this.asking.abort();
    this.curves = {};
    then();
  }

  /** @param {import("../store.js").State} state @param {import("../data.js").Subject} subject */
  draw(state, subject) {
    const target = chosenClass(state, subject);
    const evidence = subject.model.methods.includes("evidence") || subject.maps.method === "cam";
    if (!evidence) this.map.show("attention");
    this.map.element.hidden = !evidence || !subject.maps.heads.length;
    const by = this.map.input.value;
    const values = by === "evidence" ? evidenceAsked(subject, target)?.values : subject.maps.get(state.layer, state.head);
    this.measure.disabled = !values;
    if (!values) return;
    const about = `${by} ${target} ${by === "attention" ? `${state.layer} ${state.head}` : ""} ${this.how.input.value} ${subject.answer.model} ${state.sample}`;
    if (this.about !== about || this.tested?.subject !== subject) this.forget(() => {});
    this.about = about;
    this.tested = { subject, target, order: ranked(values) };
    this.drawKept(this.tested);
    this.drawCurves(this.tested);
  }

  /** Shows the input with the best patches only, and asks about it once nothing has changed for a while. */
  drawKept(/** @type {Tested} */ { subject, target, order }) {
    const kept = keptAfter(order, this.share, "insert");
    const pixels = keepOnly(modelPixels(subject), subject.geometry, kept, grey(subject.model));
    const image = asImage(pixels);
    Object.assign(this.masked, { width: image.width, height: image.height });
    this.masked.getContext("2d")?.putImageData(image, 0, 0);
    this.masked.setAttribute("aria-label", `the ${kept.size} most important patches; the rest in one colour`);
    const name = `${this.about} ${this.share}`;
    if (this.tried === name && this.triedFor === subject) return;
    [this.tried, this.triedFor] = [name, subject];
    this.trying.abort();
    this.trying = new AbortController();
    clearTimeout(this.settling);
    this.kept.textContent = "…";
    const { signal } = this.trying;
    this.settling = setTimeout(() => this.tryKept(pixels, kept.size, { subject, target, order }, signal), SETTLED);
  }

  /** @param {import("../pixels.js").Pixels} pixels @param {number} count @param {Tested} tested @param {AbortSignal} signal */
  async tryKept(pixels, count, { subject, target, order }, signal) {
    try {
      const answer = await classifyPixels(subject.model, pixels, signal);
      const [best] = answer.classes;
      const whole = scoreOf(subject.answer, target);
      const said = speech(subject.answer.activation);
      this.kept.textContent = `With only ${count} of ${order.length} patches: ${subject.model.labels[target]} ${said(scoreOf(answer, target) ?? 0)}`
        + `${whole === undefined ? "" : `, with all ${said(whole)}`}. The model ${best.index === target ? "still says" : "now says"} ${best.label}.`;
    } catch (error) {
      if (signal.aborted) return;
      this.kept.textContent = error instanceof Refused ? error.message : `${error}`;
    }
  }

  /** Asks about all points of the curves, a few at once. */
  async run() {
    const { tested } = this;
    if (!tested) return;
    const { subject, target, order } = tested;
    this.asking.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    const how = /** @type {"delete" | "insert"} */ (this.how.input.value);
    const orders = { most: order, least: [...order].reverse(), random: shuffled(order.length, 1) };
    this.curves = { most: [], least: [], random: [] };
    const { curves } = this;
    const points = STEPS.flatMap((share, at) => CURVES.map(({ key }) => ({ share, at, key })));
    const pixels = modelPixels(subject);
    [this.measure.hidden, this.cancel.hidden] = [true, false];
    try {
      await fewAtOnce(points, FEW, signal, async ({ share, at, key }) => {
        const masked = keepOnly(pixels, subject.geometry, keptAfter(orders[key], share, how), grey(subject.model));
        curves[key][at] = scoreOf(await classifyPixels(subject.model, masked, signal), target);
        if (this.curves === curves) this.drawCurves(tested);
      });
    } catch (error) {
      if (!signal.aborted) this.result.textContent = error instanceof Refused ? error.message : `${error}`;
      this.asking.abort();
    }
    [this.measure.hidden, this.cancel.hidden] = [false, true];
  }

  drawCurves(/** @type {Tested} */ { subject, target }) {
    const none = subject.answer.activation === "none";
    const all = Object.values(this.curves).flat().filter((value) => value !== undefined);
    const limits = /** @type {[number, number]} */ (none && all.length ? [Math.min(...all), Math.max(...all)] : [0, 1]);
    const curves = CURVES.map((each) => ({ ...each, dash: [...each.dash], values: this.curves[each.key] ?? [] }));
    const said = speech(subject.answer.activation);
    drawChart(this.chart, STEPS, curves, limits, none ? said : (value) => `${Math.round(100 * value)}\u00a0%`);
    const whole = curves.every(({ values }) => values.filter((value) => value !== undefined).length === STEPS.length);
    this.result.textContent = whole ? summary(curves.map(({ values }) => area(/** @type {number[]} */ (values))), this.how.input.value, subject.model.labels[target], said)
      : all.length ? `${all.length} of ${STEPS.length * CURVES.length} answers.` : `${STEPS.length * CURVES.length} questions to the model, ${FEW} at once.`;
  }
}

/** Returns the probability of a class, or its logit where there are none. @param {any} answer @param {number} index @returns {number | undefined} */
const scoreOf = ({ classes, activation }, index) => {
  const found = classes.find((/** @type {any} */ each) => each.index === index);
  return activation === "none" ? found?.logit : found?.probability;
};

/** @param {string} activation */
const speech = (activation) => (activation === "none" ? (/** @type {number} */ value) => value.toPrecision(3) : percent);

/** @param {number[]} areas of most, least and random @param {string} how @param {string} label @param {(value: number) => string} said */
const summary = ([most, least, random], how, label, said) => {
  const gain = how === "delete" ? least - most : most - least;
  const good = gain > 0 && (how === "delete" ? most < random : most > random);
  return `On average ${label} has ${said(most)} with the most important patches ${how === "delete" ? "gone" : "there"} first, ${said(random)} by chance and ${said(least)} the other way round. `
    + `Between the two orders lie ${(100 * gain).toFixed(1)} points (symmetric relevance gain): the map is ${good ? "better" : "no better"} than chance here.`;
};
