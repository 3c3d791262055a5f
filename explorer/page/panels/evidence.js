// Class evidence: which patches spoke for a class and which against it, and how that adds up to the answer.

import { around, BLUE_ORANGE } from "../colours.js";
import { bar, choice } from "../controls.js";
import { MOST } from "../data.js";
import { drawPhoto } from "../draw.js";
import { make } from "../elements.js";
import { PatchGrid } from "../grid.js";
import { drawHeat } from "../heat.js";
import { drawLedger, ledgerTable } from "../ledger.js";
import { rank } from "../maps.js";
import { markPatches } from "../marks.js";
import { Scale } from "../scale.js";
import { chosenClass, evidenceAsked } from "../chosen.js";
import { percent, signed } from "../text.js";
import { ClassTiles } from "../tiles.js";
import { Words } from "../words.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "evidence",
  title: "Class evidence",
  about: "What the model read from each patch: orange spoke for the class, blue against it. Choose a class, or one to compare it with.",
  limits: "what blocks before the last one did: a patch's token has by then seen all others, so it need not stand for its place alone.",
  missing: ({ methods }) => (methods.includes("evidence") || methods.includes("cam")
    ? "" : "This model was exported without evidence, or its head does not allow it: see the report of its export."),
  mount: (body, store) => {
    const tiles = new ClassTiles(store);
    const versus = choice("rather than", [["", "nothing else"]], (index) => store.set({ versus: index === "" ? null : Number(index) }));
    const grid = new PatchGrid(store, "Evidence of each patch");
    const scale = new Scale(BLUE_ORANGE, "");
    const title = make("h4");
    const [text, warning] = [make("p", { className: "text" }), make("p", { className: "warning" })];
    const bars = make("canvas", { role: "img", "aria-label": "what adds up to the answer; the numbers are in the table below" });
    const sums = make("details", { className: "words" }, make("summary", { textContent: "The sum as a table" }));
    const words = new Words("Evidence of each patch, by row and column");
    const side = make("div", {}, title, bars, sums, text, warning);
    body.append(tiles.element, bar(versus.element), make("div", { className: "split" }, make("div", {}, grid.element, scale.element, words.element), side));
    return (state, subject) => {
      const chosen = chosenClass(state, subject);
      const other = subject.model.methods.includes("evidence") ? state.versus : null;
      const first = evidenceAsked(subject, chosen);
      const found = first && (other === null || other === chosen ? first : evidenceAsked(subject, chosen, other));
      const labels = subject.model.labels;
      versus.element.hidden = !subject.model.methods.includes("evidence");
      versus.offer([["", "nothing else"], ...offered(subject, chosen)]);
      versus.show(other === null || other === chosen ? "" : `${other}`);
      tiles.show(state, subject, chosen, (index) => evidenceAsked(subject, index));
      side.hidden = !found;
      drawMap(grid, subject, state, found);
      if (!found) return;
      const limit = around(found.values)[1];
      scale.show(signed(-limit), signed(limit));
      scale.element.lastElementChild?.replaceChildren(found.unit);
      const target = `${found.unit}${other === null || other === chosen ? "" : " difference"}`;
      title.textContent = other === null || other === chosen ? `Why ${labels[chosen]}` : `Why ${labels[chosen]} rather than ${labels[other]}`;
      drawLedger(bars, found.parts, [target, found.target]);
      sums.replaceChildren(sums.children[0], ledgerTable(found.parts, [target, found.target]));
      text.textContent = describe(found, state.patch);
      warning.textContent = caution(found);
      warning.hidden = !warning.textContent;
      words.show(subject.geometry, found.values, signed);
    };
  },
};

/** Returns the classes that another can be compared with. @param {any} subject @param {number} chosen @returns {[string, string][]} */
const offered = ({ answer }, chosen) =>
  answer.classes.filter((/** @type {any} */ each) => each.index !== chosen).slice(0, 2 * MOST)
    .map((/** @type {any} */ each) => [`${each.index}`, each.label]);

/** @param {PatchGrid} grid @param {any} subject @param {import("../store.js").State} state @param {import("../evidence.js").Evidence | undefined} found */
const drawMap = (grid, subject, state, found) => {
  const { geometry } = subject;
  const box = { left: 0, top: 0, width: geometry.image_width, height: geometry.image_height };
  const context = grid.show(geometry, box, found ? (patch) => `evidence ${signed(found.values[patch])}, rank ${rank(found.values, patch)} of ${found.values.length}` : undefined);
  context.filter = "grayscale(0.8)";
  drawPhoto(context, subject);
  context.filter = "none";
  if (found) drawHeat(context, geometry, found.values, { ...state, colours: BLUE_ORANGE, limits: around(found.values) });
  markPatches(context, geometry, state, grid.view.scale);
};

/** @param {import("../evidence.js").Evidence} found @param {number | null} patch */
const describe = (found, patch) => {
  const border = found.border === null ? "" : `${percent(found.border)} of what lies in the patches lies on the border of the photo. `;
  return border + (patch === null ? "" : `The selected patch: ${signed(found.values[patch])}.`);
};

/** @param {import("../evidence.js").Evidence} found */
const caution = ({ lastBlock }) => {
  if (lastBlock === null || Math.abs(lastBlock) >= 0.2) return "";
  return `Only ${percent(lastBlock)} of what decided this class was read in the last block; the rest was there before it. This map is not the story.`;
};
