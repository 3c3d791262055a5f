// What can be taken away: the same question for other clients, pictures, and the address of what is selected.

import { addressOf } from "../address.js";
import { chosenClass } from "../chosen.js";
import { bar, button, choice } from "../controls.js";
import { make } from "../elements.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "takeaway",
  title: "Take away",
  about: "Ask the same from elsewhere, keep a picture, or share what is selected.",
  limits: "your photo in the link: it stays with you. A link to one of the model's samples shows the same to everyone who can reach this server.",
  ofModel: true,
  mount: (body, store) => {
    const link = make("p", { className: "text link" });
    const said = make("span", { className: "small", role: "status" });
    const copy = button("Copy the link", () => copied(location.href.split("#")[0] + addressOf(store.state), said));
    const picture = choice("Picture of", [], () => {});
    const save = button("Save as PNG", () => savePicture(picture.input.value, said));
    const blocks = [["curl", "In a shell"], ["grpcurl", "Over gRPC"], ["json", "As JSON, for POST /api/v1/classify"]].map(([id, title]) => {
      const text = make("pre", { id: `take-${id}`, tabIndex: 0, "aria-label": title });
      return { text, element: make("div", {}, make("h4", { textContent: title }), text, button("Copy", () => copied(text.textContent ?? "", said))) };
    });
    body.append(bar(copy, picture.element, save, said), link, ...blocks.map(({ element }) => element));
    return (state, subject) => {
      const address = addressOf(state);
      link.replaceChildren(make("a", { href: address, textContent: location.href.split("#")[0] + address }));
      picture.offer(pictures());
      const request = requestOf(state, subject);
      const texts = [curl(request), grpcurl(request), JSON.stringify({ image: { encoded: "<base64 of the photo>" }, ...request }, null, 2)];
      blocks.forEach(({ text }, at) => { text.textContent = texts[at]; });
    };
  },
};

/** Returns the panels of which there is a picture: the element's number, and what it is. @returns {[string, string][]} */
const pictures = () => [...document.querySelectorAll(".panel")].filter((panel) => panel.querySelector(".bodies:not([hidden]) canvas"))
  .map((panel) => [panel.id, panel.querySelector("h3")?.textContent ?? panel.id]);

/** Returns the ClassifyRequest of what is selected, without its image. @param {import("../store.js").State} state @param {import("../data.js").Subject} subject */
const requestOf = (state, subject) => {
  const { model, maps } = subject;
  const named = { model: model.summary.name, version: model.summary.version, top_k: 5 };
  if (model.methods.includes("evidence") && (state.class !== null || state.versus !== null)) {
    const versus = state.versus === null ? {} : { versus_index: state.versus };
    return { ...named, maps: { method: "evidence", class_indices: [chosenClass(state, subject)], ...versus } };
  }
  if (maps.heads.length) return { ...named, maps: { method: "attention", layers: [state.layer], heads: state.head < 0 ? [] : [state.head] } };
  return model.methods.length ? { ...named, maps: { method: model.methods[0] } } : named;
};

/** Returns fields as a query has them. @param {any} fields @param {string} [before] @returns {string[]} */
const query = (fields, before = "") => Object.entries(fields).flatMap(([name, value]) => {
  if (Array.isArray(value)) return value.length ? [`${before}${name}=${value.join(",")}`] : [];
  return typeof value === "object" ? query(value, `${before}${name}.`) : [`${before}${name}=${encodeURIComponent(value)}`];
});

/** @param {any} request */
const curl = (request) => `curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' \\\n  '${location.origin}/api/v1/classify?${query(request).join("&")}'`;

/** @param {any} request */
const grpcurl = (request) => {
  const upper = request.maps?.method ? { ...request, maps: { ...request.maps, method: `MAP_METHOD_${request.maps.method.toUpperCase()}` } } : request;
  const body = JSON.stringify(upper).slice(1);
  return `echo "{\\"image\\": {\\"encoded\\": \\"$(base64 -w0 photo.jpg)\\"}, ${body.replaceAll('"', '\\"')}" |\n`
    + `  grpcurl -plaintext -d @ ${location.hostname}:8500 vitscope.v1.ClassifierService/Classify`;
};

/** @param {string} text @param {HTMLElement} said */
const copied = async (text, said) => {
  try {
    await navigator.clipboard.writeText(text);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "This browser does not let pages copy; select the text instead.";
  }
};

/** Saves the largest canvas of a panel. @param {string} id @param {HTMLElement} said */
const savePicture = (id, said) => {
  const all = [...document.querySelectorAll(`#${CSS.escape(id)} canvas`)].map((each) => /** @type {HTMLCanvasElement} */ (each));
  const largest = all.reduce((most, each) => (each.clientWidth * each.clientHeight > most.clientWidth * most.clientHeight ? each : most), all[0]);
  largest?.toBlob((blob) => {
    if (!blob) return;
    const link = make("a", { href: URL.createObjectURL(blob), download: `${id}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    said.textContent = `${id}.png saved.`;
  });
};
