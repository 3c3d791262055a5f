// Drawings that are not of the photo: in CSS pixels, in the colours of the page.

/** Makes a canvas as wide as its place and so high, and returns what is needed to draw on it. @param {HTMLCanvasElement} canvas @param {number} height */
export const fit = (canvas, height) => {
  const width = Math.max(canvas.clientWidth, 1);
  canvas.style.height = `${height}px`;
  Object.assign(canvas, { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio) });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const style = getComputedStyle(canvas);
  context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  context.font = `12px ${style.fontFamily}`;
  return { context, width, height, colour: (/** @type {string} */ name) => style.getPropertyValue(name) };
};
