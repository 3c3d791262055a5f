// Asks the server that serves this page, by its JSON API.

/** What the server says in words when it refuses, for the user. */
export class Refused extends Error {}

/** Returns the JSON of a reply. Throws Refused. @param {string} path @param {RequestInit} [options] */
const ask = async (path, options) => {
  let reply;
  try {
    reply = await fetch(path, options);
  } catch {
    throw new Refused("The server cannot be reached. Is it still running?");
  }
  const found = await reply.json().catch(() => ({ detail: `${reply.status} ${reply.statusText}` }));
  if (!reply.ok) throw new Refused(found.detail);
  return found;
};

/** Returns the names of the models that are ready, each once. */
export const listModels = async () => {
  const { models } = await ask("/api/v1/models");
  return [...new Set(models.filter((each) => each.state === "ready").map((each) => each.name))];
};

/** Returns all about the latest version of a model. @param {string} name */
export const getModel = async (name) => (await ask(`/api/v1/models/${encodeURIComponent(name)}`)).model;

/**
 * Returns the answer to a photo, with a map for each layer and head where the model has attention.
 * @param {Blob} photo @param {any} model @param {AbortSignal} signal
 */
export const classify = (photo, model, signal) => {
  const options = new URLSearchParams({ model: model.summary.name, top_k: "5" });
  if (model.methods.includes("attention")) {
    options.set("maps.method", "attention");
    options.set("maps.all_layers", "true");
    options.set("maps.all_heads", "true");
  } else if (model.methods.length) {
    options.set("maps", "true");
  }
  const headers = { "Content-Type": "application/octet-stream" };
  return ask(`/api/v1/classify?${options}`, { method: "POST", body: photo, headers, signal });
};
