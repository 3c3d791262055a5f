// What is selected, shared by all panels.

/**
 * What the page shows. Indices are from 0.
 * @typedef {Object} State
 * @property {string} model name of the model
 * @property {import("./data.js").Subject | null} first the photo, with all that the server said about it
 * @property {import("./data.js").Subject | null} second a second photo beside it
 * @property {number} layer of the encoder
 * @property {number} head of each layer; -1: the mean over all
 * @property {number | null} patch that the panels are about: under the pointer, else the pinned one; null: the class token
 * @property {number | null} pinned patch that was clicked
 * @property {number | null} other patch that the pinned one is compared with
 * @property {number | null} class index of the class explained; null: the most probable one
 * @property {number | null} versus index of the class that it is explained against
 * @property {number} opacity of maps over the photo, 0 to 1
 * @property {boolean} smooth whether maps are interpolated over the photo
 * @property {string} sample name of the sample shown; "" for a photo of the user's
 * @property {string} beside name of the sample shown beside it
 */

export class Store {
  /** @param {Partial<State>} selected */
  constructor(selected) {
    /** @type {State} */
    this.state = {
      model: "", first: null, second: null, layer: -1, head: -1, patch: null, pinned: null, other: null, class: null,
      versus: null, opacity: 0.6, smooth: true, sample: "", beside: "", ...selected,
    };
    /** @type {((state: State, before: State) => void)[]} */
    this.listeners = [];
    this.planned = 0;
    this.drawn = this.state;
  }

  /** Has a function called after changes, at most once for each frame. @param {(state: State, before: State) => void} listener */
  subscribe(listener) {
    this.listeners.push(listener);
  }

  /** Changes what is selected. @param {Partial<State>} changes */
  set(changes) {
    this.state = { ...this.state, ...changes };
    if (this.planned) return;
    this.planned = requestAnimationFrame(() => {
      const before = this.drawn;
      this.planned = 0;
      this.drawn = this.state;
      for (const listener of this.listeners) listener(this.drawn, before);
    });
  }

  /** Shows a patch as long as the pointer is over it; null: the pinned one again. @param {number | null} patch */
  hover(patch) {
    this.set({ patch: patch ?? this.state.pinned });
  }

  /** Pins a patch, or lets go of it where it is pinned; null: of any. @param {number | null} patch */
  pin(patch) {
    const pinned = patch === this.state.pinned ? null : patch;
    this.set({ pinned, patch, other: pinned === null ? null : this.state.other });
  }

  /** Chooses the patch that the pinned one is compared with, or none. @param {number | null} patch */
  compare(patch) {
    this.set({ other: patch === this.state.other ? null : patch });
  }
}
