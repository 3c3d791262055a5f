// The model's input, made of the photo in this page as the server makes it.

import { Refused } from "./api.js";
import { resample } from "./resample.js";

/** Pixels of the model's input, RGB. @typedef {{rgb: Uint8Array, width: number, height: number}} Pixels */

/** @type {WeakMap<object, Pixels>} */
const known = new WeakMap();

/** Returns the photo's own pixels. @param {any} subject */
const photoPixels = ({ picture, geometry }) => {
  if (!picture) throw new Refused("This browser cannot show the photo, so its pixels are not known here.");
  const { image_width: width, image_height: height } = geometry;
  const canvas = new OffscreenCanvas(width, height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
};

/** Returns the size that the photo is resized to, and where on it the model's input lies, by the geometry. @param {any} geometry */
export const fitOf = ({ grid_to_image: m, image_width: width, image_height: height, ...rest }) => {
  const [across, down] = [rest.model_width / rest.grid_cols, rest.model_height / rest.grid_rows];
  return {
    width: Math.round((across * width) / m[0]), height: Math.round((down * height) / m[4]),
    left: Math.round((m[2] * across) / m[0]), top: Math.round((m[5] * down) / m[4]),
  };
};

/** Returns the pixels that the model reads. Throws Refused for a photo that this browser cannot show. @param {any} subject @returns {Pixels} */
export const modelPixels = (subject) => {
  const before = known.get(subject);
  if (before) return before;
  const { geometry, model } = subject;
  const { model_width: width, model_height: height } = geometry;
  const photo = photoPixels(subject);
  const fit = fitOf(geometry);
  const same = fit.width === photo.width && fit.height === photo.height;
  const resized = same ? photo : resample(photo, fit.width, fit.height, model.input.interpolation);
  const rgb = new Uint8Array(width * height * 3);
  const padding = model.input.padding_color;
  for (let row = 0; row < height; row += 1) {
    for (let col = 0; col < width; col += 1) {
      const [down, across] = [row + fit.top, col + fit.left];
      const inside = down >= 0 && across >= 0 && down < resized.height && across < resized.width;
      const from = (down * resized.width + across) * 4;
      for (let channel = 0; channel < 3; channel += 1) {
        rgb[(row * width + col) * 3 + channel] = inside ? resized.data[from + channel] : padding[channel] ?? 0;
      }
    }
  }
  const found = { rgb, width, height };
  known.set(subject, found);
  return found;
};

/** Returns pixels as an image. @param {Pixels} pixels */
export const asImage = ({ rgb, width, height }) => {
  const image = new ImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    image.data.set([rgb[3 * at], rgb[3 * at + 1], rgb[3 * at + 2], 255], 4 * at);
  }
  return image;
};
