// The guided tour: a card beside the panels, step by step. It remembers where it was.

import { Refused } from "./api.js";
import { bring } from "./contents.js";
import { bar, button } from "./controls.js";
import { byId, make } from "./elements.js";
import { STEPS } from "./steps.js";

const KEY = "vitscope-tour";

/** Returns the step that was seen last, 0 where the browser keeps nothing. */
const remembered = () => {
  try {
    return Math.min(Math.max(Number(localStorage.getItem(KEY)) || 0, 0), STEPS.length - 1);
  } catch {
    return 0;
  }
};

/** @param {number} step */
const remember = (step) => {
  try {
    localStorage.setItem(KEY, `${step}`);
  } catch {
    // It then begins at its first step the next time.
  }
};

export class Tour {
  /** @param {import("./store.js").Store} store @param {() => Promise<void>} begin shows a photo, if the model has any */
  constructor(store, begin) {
    this.store = store;
    this.begin = begin;
    this.at = remembered();
    this.start = byId("tour-start");
    this.title = make("h3", { id: "tour-title", tabIndex: -1 });
    this.place = make("p", { className: "small" });
    this.text = make("div");
    this.back = button("Back", () => this.go(this.at - 1));
    this.next = button("Next", () => this.go(this.at + 1));
    this.next.classList.add("main");
    const close = button("End the tour", () => this.end());
    this.element = make(
      "div", { id: "tour", hidden: true, role: "dialog", "aria-labelledby": "tour-title", tabIndex: 0 },
      this.place, this.title, this.text, bar(close, make("span", { className: "controls" }, this.back, this.next)),
    );
    document.body.append(this.element);
    this.start.addEventListener("click", () => this.open());
    document.addEventListener("keydown", (event) => this.key(event));
    store.subscribe(() => this.fill());
    this.name();
  }

  name() {
    this.start.textContent = this.at ? `Continue the tour (${this.at + 1} of ${STEPS.length})` : "Take the tour";
  }

  async open() {
    if (!this.store.state.first) await this.begin();
    this.element.hidden = false;
    document.body.classList.add("touring");
    this.go(this.at);
  }

  /** @param {number} step */
  go(step) {
    if (step >= STEPS.length) {
      this.at = 0;
      this.end();
      return;
    }
    this.at = Math.max(step, 0);
    remember(this.at);
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    const panel = document.getElementById(STEPS[this.at].panel);
    if (this.store.state.first) {
      panel?.classList.add("toured");
      bring(STEPS[this.at].panel);
    }
    this.fill();
    this.title.focus({ preventScroll: true });
  }

  /** Says it with what is shown now. */
  fill() {
    if (this.element.hidden) return;
    const { title, text, task } = STEPS[this.at];
    const { state } = this.store;
    this.place.textContent = `Step ${this.at + 1} of ${STEPS.length}`;
    this.title.textContent = title;
    this.back.disabled = this.at === 0;
    this.next.disabled = !state.first;
    this.next.textContent = this.at === STEPS.length - 1 ? "Done" : "Next";
    const paragraphs = state.first ? this.paragraphs(text, state) : ["Choose a photo at the top of the page, drop one on it, or paste it. Then we can begin."];
    const todo = state.first ? [make("p", {}, make("strong", {}, "Try it: "), task)] : [];
    this.text.replaceChildren(...paragraphs.map((each) => make("p", { textContent: each })), ...todo);
  }

  /** @param {import("./steps.js").Step["text"]} text @param {import("./store.js").State} state */
  paragraphs(text, state) {
    try {
      return text(state, state.first);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return [error.message];
    }
  }

  end() {
    remember(this.at);
    this.name();
    this.element.hidden = true;
    document.body.classList.remove("touring");
    for (const each of document.querySelectorAll(".toured")) each.classList.remove("toured");
    this.start.focus();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (this.element.hidden) return;
    const inside = this.element.contains(document.activeElement);
    if (event.key === "Escape" && !event.defaultPrevented) this.end();
    else if (inside && event.key === "ArrowRight" && !this.next.disabled) this.go(this.at + 1);
    else if (inside && event.key === "ArrowLeft" && this.at) this.go(this.at - 1);
    else return;
    event.preventDefault();
  }
}
