// The contact sheet: a small map for each layer and head, all in one picture.

import { coloured, extent, VIRIDIS } from "../colours.js";
import { tile } from "../heat.js";

/** Returns the value that a share of all values is below. @param {Float32Array[]} all @param {number} share */
export const percentile = (all, share) => {
  const sorted = Float32Array.from(all.flatMap((each) => [...each])).sort();
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] : 0;
};

/**
 * Returns pictures of maps, one pixel for each patch, each from 0 to its largest, or all to what 99 % of all values are below.
 * @param {(Float32Array | null)[]} maps @param {number} cols of the grid @param {boolean} shared
 */
export const tiles = (maps, cols, shared) => {
  const most = shared ? percentile(/** @type {Float32Array[]} */ (maps.filter((each) => each)), 0.99) : 0;
  return maps.map((map) => map && tile(coloured(map, cols, VIRIDIS, [0, shared ? most : extent(map)[1]])));
};

/** Where the cells of a sheet lie. */
export class Places {
  /** @param {number} width of all in CSS pixels @param {number} across cells in a row @param {number} count @param {number} aspect height of a cell by its width @param {number} left room for the names of rows */
  constructor(width, across, count, aspect, left) {
    this.left = left;
    this.across = across;
    this.count = count;
    this.width = Math.min((width - left) / across, 84);
    this.tall = (this.width - 2) * aspect + 2;
    this.height = Math.ceil(count / across) * this.tall;
  }

  /** Returns the corner of a cell. @param {number} at @returns {[number, number]} */
  corner(at) {
    return [this.left + (at % this.across) * this.width, Math.floor(at / this.across) * this.tall];
  }

  /** Returns the cell at a point, or -1. @param {[number, number]} point */
  at([x, y]) {
    const [col, row] = [Math.floor((x - this.left) / this.width), Math.floor(y / this.tall)];
    const found = row * this.across + col;
    return col >= 0 && col < this.across && row >= 0 && found < this.count ? found : -1;
  }
}
