// The photo, and what of it the model saw.

import { drawPhoto, outlinePatch, View } from "../draw.js";
import { make } from "../elements.js";
import { percent } from "../text.js";

/** @type {import("../panel.js").Panel} */
export default {
  id: "photo",
  title: "What the model saw",
  about: "A model takes images of one size. Yours was resized for it, and where its shape differs, cropped or padded.",
  limits: "that fine detail is lost on the way: the coloured part is made as small as the model's input.",
  mount: (body) => {
    const canvas = make("canvas", { role: "img" });
    const text = make("p", { className: "text" });
    const view = new View(canvas);
    body.append(canvas, text);
    return ({ patch }, subject) => {
      drawSeen(view, subject, patch);
      text.textContent = describe(subject.geometry);
      canvas.setAttribute("aria-label", `The photo. ${text.textContent}`);
    };
  },
};

/** Draws the photo, greyed where the model did not look. @param {View} view @param {any} subject @param {number | null} patch */
const drawSeen = (view, subject, patch) => {
  const { geometry } = subject;
  const { image_width: width, image_height: height } = geometry;
  const { x0, y0, x1, y1 } = geometry.seen;
  const context = view.show({ left: 0, top: 0, width, height });
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
  context.strokeStyle = "#ffd500";
  context.lineWidth = (3 * devicePixelRatio) / view.scale;
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  if (patch !== null) outlinePatch(context, geometry, patch, view.scale);
};

/** Says how the photo became the model's input. @param {any} geometry */
const describe = (geometry) => {
  const { image_width: width, image_height: height, seen, model_width: across, model_height: down } = geometry;
  const share = ((seen.x1 - seen.x0) * (seen.y1 - seen.y0)) / (width * height);
  return `Of ${width} × ${height} pixels the model saw ${percent(share)}, from column ${Math.round(seen.x0)} to `
    + `${Math.round(seen.x1)} and row ${Math.round(seen.y0)} to ${Math.round(seen.y1)}, resized to ${across} × ${down}.`;
};
