// The panels, in the order in which a photo becomes an answer.

import photo from "./photo.js";

/** @type {{title: string, panels: import("../panel.js").Panel[]}[]} */
export const CHAPTERS = [
  {
    title: "From photo to tokens",
    panels: [
      photo,
    ],
  },
  {
    title: "Through the encoder",
    panels: [
    ],
  },
  {
    title: "What decided",
    panels: [
    ],
  },
];
