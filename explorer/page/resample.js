// Pillow's antialiased resize, which models are trained and served with: the weights of a filter, and its two passes.

/** Filters, and how far they reach. @type {Record<string, {reach: number, weight: (x: number) => number}>} */
const FILTERS = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    reach: 2,
    weight: (x) => {
      const t = Math.abs(x);
      if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
      return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    },
  },
  lanczos: {
    reach: 3,
    weight: (x) => {
      const sinc = (/** @type {number} */ t) => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));
      return Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0;
    },
  },
};

/** Returns for each new pixel the first old one that counts, and the weights from there. @param {number} from @param {number} to @param {string} name */
const windows = (from, to, name) => {
  const { reach, weight } = FILTERS[name] ?? FILTERS.bilinear;
  const scale = from / to;
  const wide = Math.max(scale, 1);
  return Array.from({ length: to }, (_, at) => {
    const centre = (at + 0.5) * scale;
    if (name === "nearest") return { first: Math.floor(centre), weights: [1] };
    const first = Math.max(0, Math.floor(centre - reach * wide + 0.5));
    const end = Math.min(from, Math.floor(centre + reach * wide + 0.5));
    const weights = Array.from({ length: end - first }, (_, tap) => weight((first + tap - centre + 0.5) / wide));
    const sum = weights.reduce((whole, each) => whole + each, 0);
    return { first, weights: weights.map((each) => each / sum) };
  });
};

/** Resizes along one axis. step: between neighbours of that axis; lines: where each line of it begins. */
const pass = (/** @type {Uint8ClampedArray} */ source, /** @type {Uint8ClampedArray} */ target,
  /** @type {ReturnType<typeof windows>} */ taps, /** @type {[number, number]} */ steps, /** @type {[number, number][]} */ lines) => {
  for (const [from, to] of lines) {
    taps.forEach(({ first, weights }, at) => {
      for (let channel = 0; channel < 3; channel += 1) {
        let sum = 0;
        for (let tap = 0; tap < weights.length; tap += 1) sum += weights[tap] * source[from + (first + tap) * steps[0] + channel];
        target[to + at * steps[1] + channel] = Math.floor(sum + 0.5);
      }
    });
  }
};

/**
 * Returns the pixels of a resized image, RGBA of which A is 0. Rows first and then columns, rounded after each, as Pillow does.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} image @param {number} width @param {number} height @param {string} filter
 */
export const resample = (image, width, height, filter) => {
  const middle = new Uint8ClampedArray(width * image.height * 4);
  const rows = Array.from({ length: image.height }, (_, row) => /** @type {[number, number]} */ ([row * image.width * 4, row * width * 4]));
  pass(image.data, middle, windows(image.width, width, filter), [4, 4], rows);
  const found = new Uint8ClampedArray(width * height * 4);
  const cols = Array.from({ length: width }, (_, col) => /** @type {[number, number]} */ ([col * 4, col * 4]));
  pass(middle, found, windows(image.height, height, filter), [width * 4, width * 4], cols);
  return { data: found, width, height };
};
