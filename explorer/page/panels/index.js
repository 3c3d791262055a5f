// The panels, in the order in which a photo becomes an answer.

import attention from "./attention.js";
import embedding from "./embedding.js";
import encoder from "./encoder.js";
import evidence from "./evidence.js";
import heads from "./heads.js";
import holds from "./holds.js";
import matrix from "./matrix.js";
import patches from "./patches.js";
import photo from "./photo.js";
import positions from "./positions.js";
import prediction from "./prediction.js";
import rollout from "./rollout.js";
import step from "./step.js";
import takeaway from "./takeaway.js";
import tokens from "./tokens.js";

/** @type {{title: string, panels: import("../panel.js").Panel[]}[]} */
export const CHAPTERS = [
  {
    title: "From photo to tokens",
    panels: [
      photo,
      patches,
      embedding,
      positions,
      tokens,
    ],
  },
  {
    title: "Through the encoder",
    // The tour leads to "heads" and "rollout".
    panels: [
      encoder,
      step,
      heads,
      matrix,
      attention,
      rollout,
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
