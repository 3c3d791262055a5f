// Controls of panels, made in the same way everywhere.

import { make } from "./elements.js";

/** Returns a place for controls. @param {Node[]} children */
export const bar = (...children) => make("div", { className: "controls" }, ...children);

/**
 * Returns a labelled slider. said: its value in words.
 * @param {string} label @param {{min: number, max: number, step?: number, value: number}} range
 * @param {(value: number) => void} changed @param {(value: number) => string} [said]
 */
export const slider = (label, { min, max, step = 1, value }, changed, said = String) => {
  const text = make("output", { textContent: said(value) });
  const input = make("input", { type: "range", min: `${min}`, max: `${max}`, step: `${step}`, value: `${value}` });
  const tell = () => {
    text.textContent = said(input.valueAsNumber);
    input.setAttribute("aria-valuetext", said(input.valueAsNumber));
  };
  input.addEventListener("input", () => { tell(); changed(input.valueAsNumber); });
  tell();
  const element = make("label", { className: "slider" }, make("span", {}, `${label} `, text), input);
  /** Shows another value. @param {number} now @param {number} [most] */
  const show = (now, most) => {
    if (most !== undefined) input.max = `${most}`;
    if (input.valueAsNumber !== now) input.value = `${now}`;
    tell();
  };
  return { element, input, show };
};

/**
 * Returns a labelled list to choose from. options: [value, text].
 * @param {string} label @param {[string, string][]} options @param {(value: string) => void} changed
 */
export const choice = (label, options, changed) => {
  const input = make("select");
  /** Offers other options. @param {[string, string][]} now */
  const offer = (now) => {
    if (now.length === input.options.length && now.every(([value, text], at) => input.options[at].value === value && input.options[at].text === text)) return;
    input.replaceChildren(...now.map(([value, text]) => make("option", { value, textContent: text })));
  };
  offer(options);
  input.addEventListener("change", () => changed(input.value));
  const element = make("label", {}, make("span", {}, `${label} `), input);
  return { element, input, offer, show: (/** @type {string} */ value) => { input.value = value; } };
};

/** Returns a labelled box to tick. @param {string} label @param {boolean} checked @param {(checked: boolean) => void} changed */
export const tick = (label, checked, changed) => {
  const input = make("input", { type: "checkbox", checked });
  input.addEventListener("change", () => changed(input.checked));
  return { element: make("label", { className: "tick" }, input, ` ${label}`), input };
};

/** Returns a button. @param {string} text @param {() => void} pressed */
export const button = (text, pressed) => {
  const element = make("button", { type: "button", textContent: text });
  element.addEventListener("click", pressed);
  return element;
};
