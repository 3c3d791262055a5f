// Shows /api/openapi.json, and tries the API out. Text only ever enters the page as text.

const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

/** Returns an element of the page. @returns {any} */
const byId = (id) => document.getElementById(id);

const referred = (reference) => reference.split("/").pop();

// Returns a short name for what a schema takes, with links to messages.
const typeOf = (schema) => {
  if (schema.$ref) return [element("a", { href: `#${referred(schema.$ref)}`, textContent: referred(schema.$ref) })];
  if (schema.anyOf) return schema.anyOf.flatMap((each, i) => (i ? [" or ", ...typeOf(each)] : typeOf(each)));
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items)];
  if (schema.contentSchema) return ["bytes, with the head ", ...typeOf(schema.contentSchema)];
  if (schema.enum) return [schema.enum.join(" | ")];
  return [[].concat(schema.type ?? "bytes").join(" or ") + (schema.contentEncoding ? `, ${schema.contentEncoding}` : "")];
};

const entries = (fields) =>
  element(
    "dl",
    {},
    ...fields.flatMap(([name, schema, note, text]) => [
      element("dt", {}, element("code", { textContent: name }), " ",
        element("span", { className: "type" }, ...typeOf(schema), note ? `, ${note}` : "")),
      element("dd", { textContent: text ?? schema.description ?? "" }),
    ]),
  );

const operation = (path, method, about) => {
  const parameters = (about.parameters ?? []).map((each) =>
    [each.name, each.schema, each.required ? `${each.in}, required` : each.in, each.description ?? each.schema.description]);
  const bodies = Object.entries(about.requestBody?.content ?? {}).map(([type, each]) => [type, each.schema, "body"]);
  const answers = Object.entries(about.responses["200"].content).map(([type, each]) => [type, each.schema, "reply", ""]);
  const others = Object.keys(about.responses).filter((status) => status !== "200").join(", ");
  return element("details", {},
    element("summary", {}, element("strong", { textContent: `${method.toUpperCase()} ${path}` }), ` ${about.summary}`),
    entries([...parameters, ...bodies, ...answers]),
    element("p", { className: "soft", textContent: `Otherwise: ${others}, as problem+json.` }));
};

const message = (name, schema) =>
  element("details", { id: name }, element("summary", {}, element("strong", { textContent: name }), ` ${schema.description ?? ""}`),
    entries(Object.entries(schema.properties ?? {}).map(([field, each]) => [field, each])));

const openTarget = () => {
  const found = byId(decodeURIComponent(location.hash.slice(1)));
  if (found instanceof HTMLDetailsElement) found.open = true;
  found?.scrollIntoView();
};

const show = (api) => {
  byId("version").textContent = api.info.version;
  byId("about").append(
    ...api.info.description.split("\n\n").map((text) => element("p", { textContent: text })));
  byId("paths").append(...Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, about]) => operation(path, method, about))));
  byId("schemas").append(
    ...Object.entries(api.components.schemas).map(([name, schema]) => message(name, schema)));
  openTarget();
};

// Returns the form without what was left empty: an empty model is not the same as none.
const filled = (form) => {
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (value === "") data.delete(name);
  return data;
};

const command = (data) =>
  ["curl", ...[...data].map(([name, value]) => `-F ${name}=${value instanceof File ? `@${value.name}` : value}`),
    `${location.origin}/api/v1/classify`].join(" ");

const form = byId("try");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = filled(form);
  const answer = byId("answer");
  byId("command").textContent = command(data);
  answer.textContent = "…";
  try {
    const reply = await fetch("/api/v1/classify", { method: "POST", body: data });
    answer.textContent = `${reply.status} ${reply.statusText}\n${JSON.stringify(await reply.json(), null, 1)}`;
  } catch (error) {
    answer.textContent = `The server cannot be reached: ${error}`;
  }
});
window.addEventListener("hashchange", openTarget);

const [api, listed] = await Promise.all(
  ["/api/openapi.json", "/api/v1/models"].map((path) => fetch(path).then((reply) => reply.json())));
show(api);
const names = [...new Set(listed.models.map((each) => each.name))];
form.elements.model.append(...names.map((name) => element("option", { value: name, textContent: name })));
if (names.length === 1) form.elements.model.value = names[0];

export {};
