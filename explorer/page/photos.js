// Where photos come from: files, the camera roll, the clipboard, dropped on the page, and the samples of the model.

import { listSamples, getSample, Refused, samplePath } from "./api.js";
import { button } from "./controls.js";
import { byId, make } from "./elements.js";

/** @typedef {(slot: "first" | "second", file: Blob, sample?: string) => Promise<void>} Show */

/** @param {FileList | undefined | null} files */
const firstImage = (files) => [...files ?? []].find((each) => each.type.startsWith("image/")) ?? files?.[0];

export class Photos {
  /** @param {import("./store.js").Store} store @param {Show} show @param {() => void} remove takes the second photo away */
  constructor(store, show, remove) {
    this.store = store;
    this.show = show;
    const away = button("Remove", () => { remove(); this.second.input.value = ""; });
    this.first = this.slot("first", "file", "Photo", "Choose a photo, drop one on the page, or paste it");
    this.second = this.slot("second", "file-second", "Second photo", "Optional: another photo, to compare");
    away.setAttribute("aria-label", "Remove the second photo");
    away.hidden = true;
    this.second.element.append(away);
    byId("photos").append(this.first.element, this.second.element);
    store.subscribe((state) => { away.hidden = !state.second; this.mark(state); });
    document.addEventListener("paste", (event) => this.take("first", event.clipboardData?.files));
    document.addEventListener("dragover", (event) => this.over(event));
    document.addEventListener("dragleave", () => this.over(null));
    document.addEventListener("drop", (event) => {
      const slot = this.slotAt(event);
      this.over(null);
      event.preventDefault();
      this.take(slot, event.dataTransfer?.files);
    });
  }

  /** @param {"first" | "second"} slot @param {string} id @param {string} name @param {string} hint */
  slot(slot, id, name, hint) {
    const input = make("input", { type: "file", id, accept: "image/*", "aria-describedby": `${id}-hint` });
    input.addEventListener("change", () => this.take(slot, input.files));
    const label = make("label", { htmlFor: id }, make("strong", { textContent: name }));
    const text = make("span", { id: `${id}-hint`, className: "hint", textContent: hint });
    return { input, element: make("div", { className: "drop" }, label, text, input) };
  }

  /** @param {"first" | "second"} slot @param {FileList | undefined | null} files */
  take(slot, files) {
    const found = firstImage(files);
    if (found) this.show(slot, found);
  }

  /** @param {Event} event @returns {"first" | "second"} */
  slotAt(event) {
    return event.target instanceof Node && this.second.element.contains(event.target) && this.store.state.first ? "second" : "first";
  }

  /** Shows where a photo would be dropped. @param {DragEvent | null} event */
  over(event) {
    event?.preventDefault();
    for (const slot of /** @type {const} */ (["first", "second"])) {
      this[slot].element.classList.toggle("over", event !== null && this.slotAt(event) === slot);
    }
  }

  /** Offers the samples of a model, if it has any. @param {string} model */
  async offer(model) {
    const place = byId("samples");
    const found = await listSamples(model).catch((error) => {
      if (error instanceof Refused) return [];
      throw error;
    });
    place.hidden = !found.length;
    const heading = make("span", { className: "hint", textContent: "Or one of the model's samples (with Shift as the second photo):" });
    place.replaceChildren(heading, ...found.map(({ name, label }) => this.thumbnail(model, name, label)));
    this.mark(this.store.state);
  }

  /** Shows the first sample of the model, if it has any. */
  async showSample() {
    const first = byId("samples").querySelector("button");
    if (first) await this.show("first", await getSample(byId("model").value, first.dataset.name), first.dataset.name);
  }

  /** @param {string} model @param {string} name @param {string} label */
  thumbnail(model, name, label) {
    const image = make("img", { src: samplePath(model, name), alt: label || name, loading: "lazy", width: 48, height: 48 });
    const element = make("button", { type: "button", className: "sample", title: label || name }, image);
    element.dataset.name = name;
    element.addEventListener("click", async (event) => {
      const slot = event.shiftKey && this.store.state.first ? "second" : "first";
      this.show(slot, await getSample(model, name), name);
    });
    return element;
  }

  /** Marks the samples that are shown. @param {import("./store.js").State} state */
  mark({ sample, beside }) {
    for (const each of byId("samples").querySelectorAll("button")) {
      each.setAttribute("aria-pressed", `${[sample, beside].includes(each.dataset.name)}`);
    }
  }
}
