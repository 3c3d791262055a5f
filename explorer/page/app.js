// The page: which model and photos it is about, and what is drawn when that changes.

import { fromAddress, toAddress } from "./address.js";
import { getSample, listModels, Refused } from "./api.js";
import { ask, serve } from "./ask.js";
import { contents } from "./contents.js";
import { byId, make } from "./elements.js";
import { Overview } from "./overview.js";
import { CHAPTERS } from "./panels/index.js";
import { Photos } from "./photos.js";
import { Section } from "./section.js";
import { Store } from "./store.js";
import { Tour } from "./tour.js";

const store = new Store(fromAddress());
const sections = CHAPTERS.flatMap(({ title, panels }, at) => {
  const found = panels.map((panel) => new Section(panel, store));
  const heading = make("h2", { textContent: title, id: `chapter-${at + 1}` });
  byId("main").append(heading, ...found.map((each) => each.element));
  return found;
});
const overview = new Overview(byId("overview"), store, contents(sections.map((each) => each.panel)));
const files = { first: /** @type {Blob | null} */ (null), second: /** @type {Blob | null} */ (null) };
const asking = { first: new AbortController(), second: new AbortController() };

/** @param {string} status @param {string} [problem] */
const say = (status, problem = "") => {
  byId("status").textContent = status;
  byId("problem").textContent = problem;
};
/** @param {unknown} error */
const fail = (error) => {
  say("", error instanceof Refused ? error.message : `Something went wrong in this page: ${error}`);
  if (!(error instanceof Refused)) console.error(error);
};
const draw = () => {
  overview.draw(store.state);
  for (const section of sections) section.update();
};

/** Returns what of the selection the model of a subject has. @param {import("./data.js").Subject} subject */
const fitting = ({ maps, geometry, model }) => {
  const { layer, head, pinned, class: chosen, versus } = store.state;
  const patch = pinned !== null && pinned < geometry.grid_rows * geometry.grid_cols ? pinned : null;
  const known = (/** @type {number | null} */ index) => (index !== null && index < model.labels.length ? index : null);
  return {
    layer: layer >= 0 && layer < model.layers ? layer : maps.layers.at(-1) ?? model.layers - 1,
    head: maps.heads.includes(head) ? head : -1,
    patch, pinned: patch, other: null, class: known(chosen), versus: known(versus),
  };
};

/** Asks about a photo, and shows the answer. @param {"first" | "second"} slot @param {Blob} file @param {string} sample */
const show = async (slot, file, sample = "") => {
  files[slot] = file;
  asking[slot].abort();
  asking[slot] = new AbortController();
  const { signal } = asking[slot];
  say("Asking the model …");
  try {
    const name = byId("model").value;
    if (!name) throw new Refused("No model is ready. The server may still be loading one; reload the page in a moment.");
    const subject = await ask(await serve(name, () => store.set({})), file, signal);
    if (signal.aborted) return;
    const named = slot === "first" ? { sample } : { beside: sample };
    store.set({ model: name, ...fitting(subject), [slot]: subject, ...named });
    byId("shown").hidden = false;
    Object.assign(byId("shown").dataset, { model: name, answers: Number(byId("shown").dataset.answers ?? 0) + 1 });
    say(subject.picture ? "" : "This browser cannot show the photo; the model could read it.");
  } catch (error) {
    if (!signal.aborted) fail(error);
  }
};

/** Takes the second photo away. */
const remove = () => {
  asking.second.abort();
  files.second = null;
  store.set({ second: null, beside: "" });
};

const photos = new Photos(store, show, remove);
new Tour(store, () => photos.showSample());
/** Changes the model, and asks it about the photos that are there. */
const change = async () => {
  store.set({ model: byId("model").value, class: null, versus: null, sample: "", beside: "", second: null });
  await Promise.all([photos.offer(byId("model").value), files.first && show("first", files.first)]);
  if (files.second) await show("second", files.second);
};
byId("ask").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
byId("model").addEventListener("change", change);
store.subscribe(draw);
store.subscribe((state) => state.first && toAddress(state));

try {
  const names = await listModels();
  byId("model").replaceChildren(...names.map((name) => make("option", { value: name, textContent: name })));
  const { model, sample, beside } = store.state;
  if (names.includes(model)) byId("model").value = model;
  say(names.length ? "" : "No model is ready yet.");
  if (names.length) {
    await photos.offer(byId("model").value);
    if (sample) await show("first", await getSample(byId("model").value, sample), sample);
    if (beside) await show("second", await getSample(byId("model").value, beside), beside);
  }
} catch (error) {
  fail(error);
}
