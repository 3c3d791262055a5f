// Makes a subject of a photo: its picture in this browser, and the answer of the model.

import { classify, getModel } from "./api.js";
import { Served, Subject } from "./data.js";

/** @type {Map<string, Served>} */
const known = new Map();

/** Returns a model that was opened before, as long as the server serves the same version. @param {string} name @param {() => void} arrived */
export const serve = async (name, arrived) => {
  const model = await getModel(name);
  const before = known.get(name);
  if (before && before.model.summary.version === model.summary.version) return before;
  const served = new Served(model, arrived);
  known.set(name, served);
  return served;
};

/** Returns the fields of ClassifyRequest that ask for all maps of a model at once. @param {any} model @returns {Record<string, string>} */
const mapsOf = ({ methods }) => {
  if (methods.includes("attention")) return { "maps.method": "attention", "maps.all_layers": "true", "maps.all_heads": "true" };
  return methods.length ? { maps: "true" } : {};
};

/** Asks a model about a photo. @param {Served} served @param {Blob} file @param {AbortSignal} signal */
export const ask = async (served, file, signal) => {
  const fields = { top_k: "10", ...mapsOf(served.model) };
  const picture = createImageBitmap(file).catch(() => null);
  const answer = await classify(served.model, file, fields, signal);
  return new Subject(served, file, await picture, answer);
};
