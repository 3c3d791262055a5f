// What the guided tour says: seven steps, for those who have never seen a Vision Transformer.

import { chosenClass, evidenceAsked } from "./chosen.js";
import { percent } from "./text.js";
import { partOf, ranked } from "./words.js";

/**
 * A step. panel: where it is about. text: paragraphs, by what is shown. task: what to try.
 * @typedef {{panel: string, title: string, text: (state: any, subject: any) => string[], task: string}} Step
 */

/** @type {Step[]} */
export const STEPS = [
  {
    panel: "photo",
    title: "Your photo, as the model gets it",
    text: (_, { geometry: { image_width: width, image_height: height, model_width: across, model_height: down }, answer }) => [
      `A Vision Transformer is a program that has learned from many photos to say what is on one. It said ${answer.classes[0].label} of yours. `
      + "In seven steps you will see how it got there.",
      `It takes images of ${across} × ${down} pixels and no other, so your ${width} × ${height} were resized. What is grey, if anything is, was cut off.`,
    ],
    task: "Compare the photo with the picture beside it: that is all the model ever sees.",
  },
  {
    panel: "patches",
    title: "Patches: the words of an image",
    text: (_, { geometry: { grid_rows: rows, grid_cols: cols, patch_width: width, patch_height: height } }) => [
      `The image is cut into ${rows * cols} squares of ${width} × ${height} pixels, ${rows} rows of ${cols}. Such a square is a patch. `
      + "The model reads patches as a reader of text does words: all of them at once, and each in the light of the others.",
    ],
    task: "Move over the patches, and click one on the thing in your photo. It stays selected in every panel. A click on it again lets go.",
  },
  {
    panel: "embedding",
    title: "From patch to token",
    text: (_, { model }) => [
      `A model computes with lists of numbers. Each patch becomes one of ${model.width} numbers, its token. `
      + "Each number says how much the patch looks like one small learned pattern, a filter: a stripe, a colour, an edge.",
    ],
    task: "Move over the bars: the patch times the filter gives the product, whose sum is the bar.",
  },
  {
    panel: "positions",
    title: "Position embeddings: where a patch was",
    text: () => [
      "The tokens go on as a heap without order: the model would not know top from bottom. So something that stands for its place is given to each token. That is its position embedding.",
      "Each small map shows how alike one place is to all others. Bright next to it and in its row and column: the model has found out what is near what.",
    ],
    task: "Move over the board and watch the bright spot follow.",
  },
  {
    panel: "heads",
    title: "Heads: who looks at what",
    text: (_, { model }) => [
      `Now come ${model.layers} blocks, one after the other. In each, every token looks at all others and takes something from them: that is attention. `
      + `It happens ${model.heads} times side by side, and each of these is a head. Each head has learned to look for something else.`,
      model.tokens.cls_tokens ? "One more token, the class token, comes from no patch. It collects what the answer is read from; the maps show where it looks." : "The maps show where the answer is read from.",
    ],
    task: "Click a few heads, early and late ones. The large photo at the left shows the one that you chose.",
  },
  {
    panel: "rollout",
    title: "Rollout: through all blocks at once",
    text: () => [
      "A head shows one block. But a token of a late block has long since taken things from others. Rollout follows attention back through all blocks to the patches, and keeps in account that each token also keeps itself.",
      "It shows where information could have come from. It does not know about classes: for cat and dog it is the same.",
    ],
    task: "Let it begin at a later layer, and see how it changes.",
  },
  {
    panel: "evidence",
    title: "Evidence: what decided",
    text: (state, subject) => {
      const [best] = subject.answer.classes;
      const chosen = chosenClass(state, subject);
      const found = evidenceAsked(subject, chosen);
      const label = subject.model.labels[chosen];
      const said = subject.answer.activation === "none" ? "" : ` with ${percent(best.probability)}`;
      const where = found ? ` Most of all, ${label} was read in the ${partOf(subject.geometry, ranked(found.values)[0])} of the photo.` : "";
      return [
        `The model says ${best.label}${said}. Orange patches spoke for it, and blue ones against it: their shares, with what was there before, add up to the answer.${where}`,
        "That is a claim, and the panel \u201cDoes it hold?\u201d tests it: it takes the best patches away and asks again.",
      ];
    },
    task: "Choose another class, or ask why the first rather than the second. Then press Measure in \u201cDoes it hold?\u201d.",
  },
];
