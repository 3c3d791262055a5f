// Position embeddings: how a model knows where a patch was.

import { BLUE_ORANGE, coloured, VIRIDIS } from "../colours.js";
import { Refused } from "../api.js";
import { make } from "../elements.js";
import { PatchGrid } from "../grid.js";
import { tile } from "../heat.js";
import { markPatches } from "../marks.js";
import { placesOf } from "../places.js";
import { Scale } from "../scale.js";
import { placeText, signed } from "../text.js";
import { Words } from "../words.js";

/** Why it is this picture. @type {Record<string, string>} */
const KINDS = {
  table: "A learned vector for each place is added to the token there. Nobody told the model which places are neighbours: that these "
    + "are alike, and rows and columns show, is what it learned.",
  sine: "A fixed vector of sines and cosines for each place is added to the token there. Neighbours are alike by construction.",
  rope: "This model adds nothing to tokens. It turns queries and keys by angles that depend on the place (RoPE), so there is no table to "
    + "show. Each map shows how much a query from there agrees with a key that differs in its place only: the mean cosine of the angles between them.",
  relative: "This model adds nothing to tokens. Each head of its first block adds a learned number to its scores for each distance between query and "
    + "key, so there is no table to show. Each map shows what the selected head adds to the scores of a query from there.",
};
const MERGED = " They are more than the patches of other panels, which blocks merge.";
const NOTHING = "This model is told nothing of places: what it knows of them comes from how its first layers overlap or merge patches.";

/** @type {import("../panel.js").Panel} */
export default {
  id: "positions",
  title: "Position embeddings",
  about: "To the encoder, tokens are a set without order. What tells it where each patch was is this. "
    + "The board has one map for each position, at its place; next to it is the one under the pointer.",
  limits: "how the model uses it. Alike positions can be told apart all the same.",
  needs: ["embedding"],
  ofModel: true,
  mount: (body, store) => {
    const [board, one] = [new PatchGrid(store, "Board of positions"), new PatchGrid(store, "The map of one position")];
    const [why, title, text] = [make("p", { className: "text" }), make("h4"), make("p", { className: "small" })];
    const apart = make("div", { className: "tiles prefix" });
    const words = new Words("Likeness of each position to the selected one");
    /** @type {Scale | undefined} */
    let scale;
    const right = make("div", { className: "one" }, title, one.element);
    body.append(why, make("div", { className: "split" }, make("div", {}, board.element, text), make("div", {}, right, apart, words.element)));
    /** @type {import("../places.js").Places | null | undefined} */
    let places;
    /** @type {OffscreenCanvas | undefined} */
    let sheet;
    let drawn = 0;
    return (state, subject) => {
      if (places === undefined) places = placesOf(subject.served.embedding().value);
      if (!places) throw new Refused(NOTHING);
      why.textContent = KINDS[places.kind];
      const colours = places.byHead ? BLUE_ORANGE : VIRIDIS;
      if (!scale) {
        scale = new Scale(colours, places.byHead ? "added to the score" : "cosine similarity");
        scale.show(...limitsText(places));
        right.append(scale.element);
        apart.append(...places.prefix.map(({ name, map }) => prefixTile(name, map, places)));
      }
      const geometry = { grid_rows: places.rows, grid_cols: places.cols, grid_to_image: [1, 0, 0, 0, 1, 0] };
      const box = { left: 0, top: 0, width: places.cols, height: places.rows };
      const place = placeFor(state.patch, subject.geometry, places);
      const head = places.byHead ? state.head : 0;
      if (!sheet || drawn !== head) sheet = sheetOf(places, head, colours);
      drawn = head;
      const below = board.show(geometry, box);
      below.imageSmoothingEnabled = false;
      below.drawImage(sheet, 0, 0, places.cols, places.rows);
      markPatches(board.view.context, geometry, { ...state, patch: place }, board.view.scale);
      const map = places.map(place, state.head);
      const context = one.show(geometry, box, (patch) => signed(map[patch]));
      context.imageSmoothingEnabled = false;
      context.drawImage(tile(coloured(map, places.cols, colours, places.limits)), 0, 0);
      markPatches(context, geometry, { patch: place, pinned: null, other: null }, one.view.scale);
      title.textContent = `The map of ${placeText(geometry, place)}${places.byHead ? `, head ${Math.max(state.head, 0) + 1}` : ""}`;
      text.textContent = `${places.rows * places.cols} positions, each compared with all.${sameGrid(subject.geometry, places) ? "" : MERGED}`;
      words.show(geometry, map, signed);
    };
  },
};

/** @param {any} geometry @param {import("../places.js").Places} places */
const sameGrid = (geometry, places) => geometry.grid_rows === places.rows && geometry.grid_cols === places.cols;

/** Returns the position of a patch, or one in the middle. @param {number | null} patch @param {any} geometry @param {import("../places.js").Places} places */
const placeFor = (patch, geometry, places) => {
  const middle = Math.floor(places.rows / 2) * places.cols + Math.floor(places.cols / 2);
  return patch === null || !sameGrid(geometry, places) ? middle : patch;
};

/** @param {import("../places.js").Places} places @returns {[string, string]} */
const limitsText = ({ limits }) => [signed(limits[0]), signed(limits[1])];

/** @param {string} name @param {Float32Array} map @param {any} places */
const prefixTile = (name, map, places) => {
  const canvas = make("canvas", { className: "pixels", role: "img", "aria-label": `likeness of the ${name} token's position to each patch's` });
  const image = coloured(map, places.cols, VIRIDIS, places.limits);
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d")?.putImageData(image, 0, 0);
  const caption = `the ${name} token has a position without a place: ${signed(Math.min(...map))} to ${signed(Math.max(...map))} alike`;
  return make("figure", {}, canvas, make("figcaption", { textContent: caption }));
};

/** Returns one small map for each position, with gaps between. @param {import("../places.js").Places} places @param {number} head @param {import("../colours.js").Colours} colours */
const sheetOf = (places, head, colours) => {
  const { rows, cols } = places;
  const cell = Math.max(1, Math.floor(1600 / (cols * (cols + 1))));
  const [across, down] = [cell * cols + cell, cell * rows + cell];
  const canvas = new OffscreenCanvas(across * cols, down * rows);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false;
  for (let place = 0; place < rows * cols; place += 1) {
    const [row, col] = [Math.floor(place / cols), place % cols];
    const image = tile(coloured(places.map(place, head), cols, colours, places.limits));
    context.drawImage(image, col * across + cell / 2, row * down + cell / 2, cell * cols, cell * rows);
  }
  return canvas;
};
