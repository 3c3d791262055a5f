// Makes elements of the page.

/**
 * Returns a new element. fields: properties, and what has a hyphen or is a role, attributes.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag @param {Record<string, any>} [fields] @param {(Node | string)[]} children
 */
export const make = (tag, fields = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(fields)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children);
  return element;
};

/** Returns the element of the document with an id. @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);
