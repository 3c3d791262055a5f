// The panels, in the order in which a photo becomes an answer.

import evidence from "./evidence.js";
import patches from "./patches.js";
import photo from "./photo.js";
import prediction from "./prediction.js";

/** @type {{title: string, panels: import("../panel.js").Panel[]}[]} */
export const CHAPTERS = [
  {
    title: "From photo to tokens",
    panels: [
      photo,
      patches,
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
      evidence,
      prediction,
    ],
  },
];
