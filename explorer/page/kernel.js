// The patch embedding as arithmetic: pixels, normalised, times the kernel, plus the bias.

/**
 * The arrays of the embedding. @typedef {Object} Embedding
 * @property {any} head of the reply: grid, stride, padding, mean, std, rescale
 * @property {Record<string, {shape: number[], values: Float32Array}>} arrays
 */

/** Returns the row and the column of the convolution's output that lies at a patch. @param {Embedding} embedding @param {any} geometry @param {number} patch */
export const placeOfPatch = ({ head }, { grid_rows: rows, grid_cols: cols }, patch) => {
  const [down, across] = head.grid;
  return [Math.floor(((Math.floor(patch / cols) + 0.5) * down) / rows), Math.floor((((patch % cols) + 0.5) * across) / cols)];
};

/**
 * Returns the normalised pixels that one output is computed from, [3, h, w]; zero beyond the border.
 * @param {Embedding} embedding @param {import("./pixels.js").Pixels} pixels @param {number} row @param {number} col
 */
export const windowOf = ({ head, arrays }, { rgb, width, height }, row, col) => {
  const [, , down, across] = arrays.kernel.shape;
  const [top, left] = [row * head.stride[0] - head.padding[0], col * head.stride[1] - head.padding[1]];
  const found = new Float32Array(3 * down * across);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let y = Math.max(0, -top); y < down && top + y < height; y += 1) {
      for (let x = Math.max(0, -left); x < across && left + x < width; x += 1) {
        const value = rgb[((top + y) * width + left + x) * 3 + channel];
        found[(channel * down + y) * across + x] = (value * head.rescale - head.mean[channel]) / head.std[channel];
      }
    }
  }
  return found;
};

/** Returns the products of a window with one filter, [3, h, w]: their sum and the bias are one number of the token. @param {Embedding} embedding @param {Float32Array} pixels @param {number} filter */
export const productsOf = ({ arrays }, pixels, filter) => {
  const start = filter * pixels.length;
  return pixels.map((value, at) => value * arrays.kernel.values[start + at]);
};

/** Returns the token of a window before its position is added, [D]. @param {Embedding} embedding @param {Float32Array} pixels */
export const embed = ({ arrays }, pixels) => {
  const { kernel, bias } = arrays;
  return bias.values.map((each, filter) => {
    let sum = each;
    for (let at = 0, weight = filter * pixels.length; at < pixels.length; at += 1, weight += 1) sum += pixels[at] * kernel.values[weight];
    return sum;
  });
};

/** Returns [3, h, w] as an image; grey is zero, and the largest value as far from grey as can be. @param {Float32Array} values @param {number[]} shape height and width */
export const filterImage = (values, [height, width]) => {
  const most = Math.max(values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0), 1e-12);
  const image = new ImageData(width, height);
  const plane = width * height;
  for (let at = 0; at < plane; at += 1) {
    const colour = [0, 1, 2].map((channel) => Math.round((values[channel * plane + at] / most + 1) * 127.5));
    image.data.set([...colour, 255], 4 * at);
  }
  return image;
};
