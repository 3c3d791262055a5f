// viridis: Smith and van der Walt, 2015; the table that the server draws with.

const ANCHORS = "440154 482878 3e4989 31688e 26828e 1f9e89 35b779 6ece58 b5de2b fde725";

/** 256 colours from low to high, each [red, green, blue]. */
export const VIRIDIS = (() => {
  const anchors = ANCHORS.split(" ").map((each) => [0, 2, 4].map((at) => parseInt(each.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, level) => {
    const at = (level / 255) * (anchors.length - 1);
    const low = Math.min(Math.floor(at), anchors.length - 2);
    return anchors[low].map((value, channel) => Math.round(value + (at - low) * (anchors[low + 1][channel] - value)));
  });
})();

/** Returns the colours of values, from the smallest to the largest, as the pixels of an image. @param {Float32Array} values @param {number} width */
export const coloured = (values, width) => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pixels = new Uint8ClampedArray(values.length * 4);
  values.forEach((value, at) => {
    const level = high > low ? Math.floor(((value - low) / (high - low)) * 255 + 0.5) : 0;
    pixels.set([...VIRIDIS[level], 255], at * 4);
  });
  return new ImageData(pixels, width);
};
