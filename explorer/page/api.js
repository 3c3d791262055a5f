// Asks the server that serves this page, by its JSON API.

import { openContainer } from "./container.js";

/** What the server says in words when it refuses, for the user. */
export class Refused extends Error {}

/** Returns a reply. Throws Refused. @param {string} path @param {RequestInit} [options] */
const reach = async (path, options) => {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    throw new Refused("The server cannot be reached. Is it still running?");
  }
  if (reply.ok) return reply;
  const found = await reply.json().catch(() => ({ detail: `${reply.status} ${reply.statusText}` }));
  throw new Refused(found.detail);
};

/** @param {string} name */
const pathOf = (name) => `/api/v1/models/${encodeURIComponent(name)}`;

/** Returns the names of the models that are ready, each once. @returns {Promise<string[]>} */
export const listModels = async () => {
  const { models } = await (await reach("/api/v1/models")).json();
  const ready = models.filter((/** @type {any} */ each) => each.state === "ready");
  return [...new Set(ready.map((/** @type {any} */ each) => each.name))];
};

/** Returns all about the latest version of a model. @param {string} name @returns {Promise<any>} */
export const getModel = async (name) => (await (await reach(pathOf(name))).json()).model;

/** Returns the names and labels of the photos of a model. @param {string} name @returns {Promise<{name: string, label: string}[]>} */
export const listSamples = async (name) => (await (await reach(`${pathOf(name)}/samples`)).json()).samples;

/** Returns the address of such a photo. @param {string} model @param {string} name */
export const samplePath = (model, name) => `${pathOf(model)}/samples/${encodeURIComponent(name)}`;

/** Returns such a photo. @param {string} model @param {string} name */
export const getSample = async (model, name) => (await reach(samplePath(model, name))).blob();

/** Returns what the model makes of pixels and places, as arrays. @param {any} model */
export const getEmbedding = async ({ summary }) =>
  openContainer(await (await reach(`${pathOf(summary.name)}/${summary.version}/embedding`)).arrayBuffer());

/** @param {any} model @param {string} call @param {Blob} photo @param {Record<string, string>} fields @param {AbortSignal} [signal] */
const send = ({ summary }, call, photo, fields, signal) => {
  const options = new URLSearchParams({ model: summary.name, version: `${summary.version}`, ...fields });
  const headers = { "Content-Type": "application/octet-stream" };
  return reach(`/api/v1/${call}?${options}`, { method: "POST", body: photo, headers, signal });
};

/**
 * Returns the answer to a photo. fields: further ones of ClassifyRequest.
 * @param {any} model @param {Blob} photo @param {Record<string, string>} fields @param {AbortSignal} [signal] @returns {Promise<any>}
 */
export const classify = async (model, photo, fields, signal) => (await send(model, "classify", photo, fields, signal)).json();

/**
 * Returns the reply that has what is inside of the encoder, a container that may still be arriving. fields: of ExplainRequest.
 * @param {any} model @param {Blob} photo @param {Record<string, string>} fields
 */
export const explain = (model, photo, fields) => send(model, "explain", photo, fields);

/** Returns the scores of all classes for pixels of the model's own size. @param {any} model @param {import("./pixels.js").Pixels} pixels @param {AbortSignal} signal */
export const classifyPixels = async ({ summary, labels }, { rgb, width, height }, signal) => {
  let text = "";
  for (let at = 0; at < rgb.length; at += 8192) text += String.fromCharCode(...rgb.subarray(at, at + 8192));
  const image = { raw: { rgb: btoa(text), width, height, preprocessed: true } };
  const body = JSON.stringify({ image, model: summary.name, version: summary.version, top_k: labels.length });
  const options = { method: "POST", body, headers: { "Content-Type": "application/json" }, signal };
  return (await reach("/api/v1/classify", options)).json();
};
