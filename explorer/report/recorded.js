// Stands for api.js in a report: what the server said when the report was made, read from the page itself.

/** What this report does not have, in words for the user. */
export class Refused extends Error {}

const LATER = "This report does not have it. Open the explorer of a server to see it.";

/** @typedef {{name: string, label: string, type: string, data: string, answer: any, evidence: any[], inside: string}} Photo */
/** @type {{model: any, photos: Photo[]}} */
const recorded = JSON.parse(document.getElementById("recorded")?.textContent ?? "");

/** Returns bytes. @param {string} base64 */
const bytesOf = (base64) => Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));

/** @type {Map<Blob, Photo>} */
const known = new Map();
if (!new URLSearchParams(location.hash.slice(1)).get("sample")) {
  history.replaceState(null, "", `#${new URLSearchParams({ model: recorded.model.summary.name, sample: recorded.photos[0].name })}`);
}

export const listModels = async () => [recorded.model.summary.name];
export const getModel = async () => recorded.model;
export const listSamples = async () => recorded.photos.map(({ name, label }) => ({ name, label }));

/** @param {string} name */
const photoOf = (name) => {
  const found = recorded.photos.find((photo) => photo.name === name);
  if (!found) throw new Refused(`This report has no photo ${name}.`);
  return found;
};

/** @param {string} _ @param {string} name */
export const samplePath = (_, name) => `data:${photoOf(name).type};base64,${photoOf(name).data}`;

/** @param {string} _ @param {string} name */
export const getSample = async (_, name) => {
  const photo = photoOf(name);
  const blob = new Blob([bytesOf(photo.data)], { type: photo.type });
  known.set(blob, photo);
  return blob;
};

export const getEmbedding = async () => {
  throw new Refused(LATER);
};

/** @param {any} _ @param {Blob} file @param {Record<string, string>} fields */
export const classify = async (_, file, fields) => {
  const photo = known.get(file);
  if (!photo) throw new Refused("A report has no model: open the explorer of a server to ask about other photos.");
  if (fields["maps.method"] !== "evidence") return photo.answer;
  const wanted = fields["maps.class_indices"];
  if (wanted && !photo.evidence.some((map) => `${map.evidence.explained.index}` === wanted)) throw new Refused(LATER);
  return { ...photo.answer, maps: photo.evidence };
};

/** @param {any} _ @param {Blob} file @param {Record<string, string>} fields */
export const explain = async (_, file, fields) => {
  const inside = known.get(file)?.inside;
  if (!inside) throw new Refused("This report has what is inside of the encoder for its first photos only, to be no larger.");
  if (fields.layers || fields.parts === "rollout") throw new Refused(LATER);
  return new Response(bytesOf(inside));
};

export const classifyPixels = async () => {
  throw new Refused("A report has no model to ask again: open the explorer of a server to delete and insert patches.");
};
