// Where the grid of patches lies on the photo, by the geometry of an answer.

/** Returns the corner of a grid cell in pixels of the photo. @param {any} geometry @param {number} col @param {number} row */
export const corner = ({ grid_to_image: m }, col, row) => [m[0] * col + m[1] * row + m[2], m[3] * col + m[4] * row + m[5]];

/** Returns the box of the whole grid in pixels of the photo: left, top, width, height. @param {any} geometry */
export const gridBox = (geometry) => {
  const ends = [corner(geometry, 0, 0), corner(geometry, geometry.grid_cols, geometry.grid_rows)];
  const [left, right] = ends.map((each) => each[0]).sort((a, b) => a - b);
  const [top, bottom] = ends.map((each) => each[1]).sort((a, b) => a - b);
  return { left, top, width: right - left, height: bottom - top };
};

/** Returns the patch at a point of the photo, or null outside of the grid. @param {any} geometry @param {number} x @param {number} y */
export const patchAt = (geometry, x, y) => {
  const [a, b, c, d, e, f] = geometry.grid_to_image;
  const size = a * e - b * d;
  const col = Math.floor((e * (x - c) - b * (y - f)) / size);
  const row = Math.floor((a * (y - f) - d * (x - c)) / size);
  const inside = col >= 0 && row >= 0 && col < geometry.grid_cols && row < geometry.grid_rows;
  return inside ? row * geometry.grid_cols + col : null;
};

/** Returns the row and the column of a patch, from 0. @param {any} geometry @param {number} patch */
export const placeOf = (geometry, patch) => [Math.floor(patch / geometry.grid_cols), patch % geometry.grid_cols];
