// The panels, in the order in which a photo becomes an answer.

import embedding from "./embedding.js";
import evidence from "./evidence.js";
import holds from "./holds.js";
import patches from "./patches.js";
import photo from "./photo.js";
import positions from "./positions.js";
import prediction from "./prediction.js";
import takeaway from "./takeaway.js";

/** @type {{title: string, panels: import("../panel.js").Panel[]}[]} */
export const CHAPTERS = [
  {
    title: "From photo to tokens",
    panels: [
      photo,
      patches,
      embedding,
      positions,
    ],
  },
  {
    title: "Through the encoder",
    // The tour leads to "heads" and "rollout".
    panels: [
    ],
  },
  {
    title: "What decided",
    panels: [
      evidence,
      prediction,
      holds,
      takeaway,
    ],
  },
];
