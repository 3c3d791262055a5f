// The list of panels, which says which of them is being read.

import { make } from "./elements.js";

/** Returns links to panels. @param {import("./panel.js").Panel[]} panels */
export const contents = (panels) => {
  const links = new Map(panels.map(({ id, title }) => [id, make("a", { href: `#${id}`, textContent: title })]));
  for (const [id, link] of links) {
    // The fragment of the address is what is selected.
    link.addEventListener("click", (event) => {
      event.preventDefault();
      go(id);
    });
  }
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) links.get(target.id)?.setAttribute("aria-current", "true");
      else links.get(target.id)?.removeAttribute("aria-current");
    }
  }, { rootMargin: "-35% 0px -55% 0px" });
  for (const id of links.keys()) seen.observe(/** @type {HTMLElement} */ (document.getElementById(id)));
  return make("nav", { "aria-label": "Panels" }, ...links.values());
};

/** Scrolls to a panel, and has the keyboard go on there. @param {string} id */
export const go = (id) => {
  const section = document.getElementById(id);
  bring(id);
  section?.setAttribute("tabindex", "-1");
  section?.focus({ preventScroll: true });
};

/** Milliseconds in which what is drawn above a panel may move it. */
const SETTLING = 1500;
let settled = () => {};

/** Scrolls to a panel, and keeps it there while others are drawn, until the user scrolls. @param {string} id */
export const bring = (id) => {
  settled();
  const section = document.getElementById(id);
  const main = document.getElementById("main");
  if (!section || !main) return;
  const watching = new ResizeObserver(() => section.scrollIntoView());
  const events = /** @type {const} */ (["wheel", "touchmove", "pointerdown", "keydown"]);
  const end = () => {
    clearTimeout(timer);
    watching.disconnect();
    for (const event of events) removeEventListener(event, end);
    settled = () => {};
  };
  const timer = setTimeout(end, SETTLING);
  for (const event of events) addEventListener(event, end, { passive: true });
  settled = end;
  section.scrollIntoView();
  watching.observe(main);
};
