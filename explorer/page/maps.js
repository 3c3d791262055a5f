// Maps of an answer, as numbers.

/** Returns the values of a map in float32. @param {string} base64 */
export const values = (base64) => {
  const text = atob(base64);
  const bytes = Uint8Array.from(text, (each) => each.charCodeAt(0));
  return new Float32Array(bytes.buffer);
};

/** Maps by layer and head, and means over heads. */
export class Maps {
  /** @param {any[]} maps those of an answer */
  constructor(maps) {
    /** @type {Map<string, Float32Array>} */
    this.found = new Map(maps.map((each) => [`${each.layer}/${each.head}`, values(each.values)]));
    this.layers = [...new Set(maps.map((each) => each.layer))];
    this.heads = [...new Set(maps.map((each) => each.head))].filter((head) => head >= 0);
    this.method = maps[0]?.method ?? "";
  }

  /** Returns the values of a layer in one head; head -1 is the mean over all. @param {number} layer @param {number} head */
  get(layer, head) {
    const key = `${layer}/${head}`;
    const known = this.found.get(key);
    if (known) return known;
    const each = this.heads.map((other) => /** @type {Float32Array} */ (this.found.get(`${layer}/${other}`)));
    const mean = each[0].map((_, at) => each.reduce((sum, one) => sum + one[at], 0) / each.length);
    this.found.set(key, mean);
    return mean;
  }
}

/** Returns the place of a value among all, 1 for the largest. @param {Float32Array} all @param {number} at */
export const rank = (all, at) => all.reduce((count, other) => count + (other > all[at] ? 1 : 0), 1);
