// The photo, and what of it the model saw.

import { drawPhoto, MARK } from "../draw.js";
import { make } from "../elements.js";
import { PatchGrid } from "../grid.js";
import { markPatches } from "../marks.js";
import { asImage, modelPixels } from "../pixels.js";
import { percent } from "../text.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "photo",
  title: "What the model saw",
  about: "A model takes images of one size. Yours was resized for it and, where its shape differs, cropped, squeezed or padded.",
  limits: "what the model makes of this. It never sees the photo at its own size, so what is lost here is lost for good.",
  mount: (body, store) => {
    const grid = new PatchGrid(store, "The photo, by patches");
    const input = make("canvas", { role: "img", className: "pixels input" });
    const text = make("p", { className: "text" });
    const shown = make("h4", { textContent: "The model's input, pixel by pixel" });
    body.append(make("div", { className: "split" }, make("div", {}, grid.element, text), make("div", {}, shown, input)));
    return (state, subject) => {
      const { geometry } = subject;
      drawSeen(grid, subject);
      markPatches(grid.view.context, geometry, state, grid.view.scale);
      text.textContent = describe(geometry);
      input.setAttribute("aria-label", `the photo as ${geometry.model_width} × ${geometry.model_height} pixels`);
      shown.hidden = input.hidden = !subject.picture;
      if (!subject.picture) return;
      const image = asImage(modelPixels(subject));
      Object.assign(input, { width: image.width, height: image.height });
      input.getContext("2d")?.putImageData(image, 0, 0);
    };
  },
};

/** Draws the photo, greyed where the model did not look. @param {PatchGrid} grid @param {any} subject */
const drawSeen = (grid, subject) => {
  const { geometry } = subject;
  const { image_width: width, image_height: height } = geometry;
  const { x0, y0, x1, y1 } = geometry.seen;
  const context = grid.show(geometry, { left: 0, top: 0, width, height });
  context.filter = "grayscale(1)";
  drawPhoto(context, subject);
  context.filter = "none";
  context.fillStyle = "rgba(128, 128, 128, 0.5)";
  context.fillRect(0, 0, width, height);
  context.save();
  context.beginPath();
  context.rect(x0, y0, x1 - x0, y1 - y0);
  context.clip();
  drawPhoto(context, subject);
  context.restore();
  context.strokeStyle = MARK;
  context.lineWidth = (3 * devicePixelRatio) / grid.view.scale;
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
};

/** Says how the photo became the model's input. @param {any} geometry */
const describe = (geometry) => {
  const { image_width: width, image_height: height, seen, model_width: across, model_height: down } = geometry;
  const share = ((seen.x1 - seen.x0) * (seen.y1 - seen.y0)) / (width * height);
  return `Of ${width} × ${height} pixels the model saw ${percent(share)}, from column ${Math.round(seen.x0)} to `
    + `${Math.round(seen.x1)} and row ${Math.round(seen.y0)} to ${Math.round(seen.y1)}, resized to ${across} × ${down}.`;
};
