// The frame of one panel: its title, why it is not there, what went wrong in it, and its bodies, one for each photo.

import { Refused } from "./api.js";
import { make } from "./elements.js";
import { missing, needed } from "./panel.js";

export class Section {
  /** @param {import("./panel.js").Panel} panel @param {import("./store.js").Store} store */
  constructor(panel, store) {
    this.panel = panel;
    this.store = store;
    this.seen = false;
    this.stale = true;
    this.bodies = [this.body()];
    this.note = make("p", { className: "note", hidden: true });
    this.content = make("div", { className: "bodies" }, this.bodies[0].element);
    const heading = make("h3", { id: `${panel.id}-title`, textContent: panel.title });
    this.element = make(
      "section", { id: panel.id, className: "panel", "aria-labelledby": heading.id },
      heading, make("p", { className: "about", textContent: panel.about }), this.note, this.content,
      make("p", { className: "limits" }, make("strong", {}, "Not shown: "), panel.limits),
    );
    new IntersectionObserver(([entry]) => this.appear(entry.isIntersecting), { rootMargin: "300px" }).observe(this.element);
    new ResizeObserver(() => this.update()).observe(this.content);
  }

  /** @returns {{element: HTMLElement, draw: import("./panel.js").Draw | null, served: object | null}} */
  body() {
    return { element: make("div", { className: "body" }), draw: null, served: null };
  }

  /** @param {boolean} seen */
  appear(seen) {
    this.seen = seen;
    if (seen && this.stale) this.update();
  }

  /** Draws it anew, at once where it is on the screen and otherwise when it comes there. */
  update() {
    this.stale = true;
    this.element.dataset.state = "waiting";
    const { state } = this.store;
    if (!this.seen || !state.first) return;
    this.stale = false;
    const why = missing(this.panel, state.first.model);
    if (why) this.say(why, true, "missing");
    else this.drawAll(state);
  }

  /** @param {import("./store.js").State} state */
  drawAll(state) {
    const subjects = [state.first, this.panel.ofModel ? null : state.second].filter((each) => each !== null);
    while (this.bodies.length > subjects.length) this.bodies.pop()?.element.remove();
    while (this.bodies.length < subjects.length) {
      this.bodies.push(this.body());
      this.content.append(this.bodies[this.bodies.length - 1].element);
    }
    try {
      const waiting = subjects.flatMap((subject) => needed(this.panel, subject));
      const failed = waiting.find((each) => each.error !== undefined);
      if (failed) throw failed.error;
      if (waiting.some((each) => each.value === undefined)) {
        this.say("Waiting for the server …", this.bodies.some((body) => !body.draw), "waiting");
        return;
      }
      this.say("", false, "drawn");
      subjects.forEach((subject, at) => this.drawOne(this.bodies[at], state, subject));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Draws a photo, mounted anew for another model. @param {ReturnType<Section["body"]>} body @param {import("./store.js").State} state @param {import("./data.js").Subject} subject */
  drawOne(body, state, subject) {
    if (body.served !== subject.served) body.element.replaceChildren();
    if (body.served !== subject.served || !body.draw) body.draw = this.panel.mount(body.element, this.store);
    body.served = subject.served;
    body.draw(state, subject);
  }

  /** @param {unknown} error */
  fail(error) {
    this.say(error instanceof Refused ? error.message : `Something went wrong in this panel: ${error}`, true, "failed");
    if (!(error instanceof Refused)) console.error(error);
  }

  /** Says something in place of the panel, or above it. @param {string} text @param {boolean} alone @param {string} how it is: drawn, waiting, missing or failed */
  say(text, alone, how) {
    this.element.dataset.state = how;
    this.note.textContent = text;
    this.note.hidden = !text;
    this.content.hidden = alone;
  }
}
