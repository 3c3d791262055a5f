// How alike positions are to one another.

/** Returns vectors of length 1, [n, D]. @param {Float32Array} vectors @param {number} count */
const unit = (vectors, count) => {
  const width = vectors.length / count;
  const found = Float32Array.from(vectors);
  for (let at = 0; at < count; at += 1) {
    let sum = 0;
    for (let each = at * width; each < (at + 1) * width; each += 1) sum += vectors[each] ** 2;
    const length = Math.max(Math.sqrt(sum), 1e-12);
    for (let each = at * width; each < (at + 1) * width; each += 1) found[each] /= length;
  }
  return found;
};

/** Returns the cosine similarity of each of some vectors with each of others, [rows, cols]. @param {Float32Array} one @param {Float32Array} other @param {number} width of a vector */
export const similarities = (one, other, width) => {
  const [rows, cols] = [one.length / width, other.length / width];
  const [left, right] = [unit(one, rows), unit(other, cols)];
  const found = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      let sum = 0;
      for (let each = 0; each < width; each += 1) sum += left[row * width + each] * right[col * width + each];
      found[row * cols + col] = sum;
    }
  }
  return found;
};

/**
 * Returns what relative positions add to the attention of a place to all places, [rows * cols].
 * @param {Float32Array} bias of one head, [2 rows - 1, 2 cols - 1] @param {number} rows @param {number} cols @param {number} place
 */
export const biasFrom = (bias, rows, cols, place) => {
  const [row, col] = [Math.floor(place / cols), place % cols];
  return Float32Array.from({ length: rows * cols }, (_, at) =>
    bias[(Math.floor(at / cols) - row + rows - 1) * (2 * cols - 1) + (at % cols) - col + cols - 1]);
};
