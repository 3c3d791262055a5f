// A map of patches over the photo.

import { coloured } from "./colours.js";

/** Returns a canvas with one pixel for each value. @param {ImageData} image */
export const tile = (image) => {
  const canvas = new OffscreenCanvas(image.width, image.height);
  /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  return canvas;
};

/**
 * Draws a map where its patches lie on the photo.
 * @param {CanvasRenderingContext2D} context whose unit is a pixel of the photo @param {any} geometry
 * @param {ArrayLike<number>} values of the patches
 * @param {{opacity: number, smooth: boolean, colours?: import("./colours.js").Colours, limits?: [number, number]}} style
 */
export const drawHeat = (context, geometry, values, { opacity, smooth, colours, limits }) => {
  const [a, b, c, d, e, f] = geometry.grid_to_image;
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = smooth;
  context.transform(a, d, b, e, c, f);
  context.drawImage(tile(coloured(values, geometry.grid_cols, colours, limits)), 0, 0);
  context.restore();
};

/** Draws a bar of the colours with their limits. @param {HTMLCanvasElement} canvas @param {import("./colours.js").Colours} colours */
export const drawScale = (canvas, colours) => {
  Object.assign(canvas, { width: 256, height: 1 });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.putImageData(coloured(Float32Array.from({ length: 256 }, (_, at) => at), 256, colours), 0, 0);
};
