// Colour maps: 256 colours from low to high, the tables that the server draws with.

/** @typedef {number[][]} Colours 256 times red, green, blue */

/** @param {string} anchors @returns {Colours} */
const table = (anchors) => {
  const each = anchors.split(" ").map((colour) => [0, 2, 4].map((at) => parseInt(colour.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, level) => {
    const at = (level / 255) * (each.length - 1);
    const low = Math.min(Math.floor(at), each.length - 2);
    return each[low].map((value, channel) => Math.round(value + (at - low) * (each[low + 1][channel] - value)));
  });
};

/** Smith and van der Walt, 2015. */
export const VIRIDIS = table("440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725");
/** For values of both signs, with zero in its middle. */
export const BLUE_ORANGE = table("0b4f8a 3f8ac4 9cc6e5 f7f7f7 f6c38a e08a2c a85406");

/** The smallest and the largest of values. @param {ArrayLike<number>} values @returns {[number, number]} */
export const extent = (values) => {
  let [low, high] = [Infinity, -Infinity];
  for (let at = 0; at < values.length; at += 1) {
    if (values[at] < low) low = values[at];
    if (values[at] > high) high = values[at];
  }
  return [low, high];
};

/** Limits with zero in the middle. @param {ArrayLike<number>} values @returns {[number, number]} */
export const around = (values) => {
  const [low, high] = extent(values);
  const most = Math.max(-low, high);
  return [-most, most];
};

/** Returns the colour of a value. @param {number} value @param {[number, number]} limits @param {Colours} colours */
export const colourOf = (value, [low, high], colours) => {
  const level = high > low ? Math.floor(((value - low) / (high - low)) * 255 + 0.5) : 0;
  return colours[Math.min(Math.max(level, 0), 255)];
};

/**
 * Returns values as the pixels of an image.
 * @param {ArrayLike<number>} values @param {number} width @param {Colours} [colours] @param {[number, number]} [limits]
 */
export const coloured = (values, width, colours = VIRIDIS, limits = extent(values)) => {
  const pixels = new Uint8ClampedArray(values.length * 4);
  for (let at = 0; at < values.length; at += 1) {
    const [red, green, blue] = colourOf(values[at], limits, colours);
    pixels[4 * at] = red;
    pixels[4 * at + 1] = green;
    pixels[4 * at + 2] = blue;
    pixels[4 * at + 3] = 255;
  }
  return new ImageData(pixels, width);
};
