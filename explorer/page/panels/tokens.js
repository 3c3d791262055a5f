// The line of tokens as it enters the encoder: special tokens in front, then the patches, each with its place added.

import { choice, bar } from "../controls.js";
import { drawPhoto } from "../draw.js";
import { make } from "../elements.js";
import { median, normsOf, OUTLIER } from "../encoder/norms.js";
import { tokenName } from "../encoder/query.js";
import { corner, placeOf } from "../geometry.js";
import { Plot } from "../plot.js";
import { counted } from "../text.js";

const CELL = 72;
const LINE = 132;
const CHART = 140;

/** @type {import("../panel.js").Panel} */
export default {
  id: "tokens",
  title: "Token line",
  about: "What enters the encoder is a line of vectors. Tokens that the model has learned stand in front; each patch follows as its vector with that of its place added to it. Bars show how long each vector is.",
  limits: "which way a vector points. Two tokens of the same length can mean quite different things.",
  needs: ["inside"],
  mount: (body, store) => {
    const [line, chart] = [new Plot({ className: "line" }), new Plot({ className: "norms", tabIndex: 0, role: "application", "aria-roledescription": "bar chart" })];
    const when = choice("Length of tokens", [["0", "as they enter (x₀)"], ["1", "after the selected block"]], () => store.set({}));
    const text = make("p", { className: "text", "aria-live": "polite" });
    body.append(line.canvas, bar(when.element), chart.canvas, text);
    /** front: which of the tokens in front is shown while no patch is selected. @type {{tokens: any, shown: number[], count: number, at: number, front: number}} */
    const now = { tokens: null, shown: [], count: 1, at: 0, front: 0 };
    const tokenAt = (/** @type {MouseEvent} */ event, /** @type {boolean} */ near) => {
      const x = near ? line.point(event)[0] / CELL : (chart.point(event)[0] / chart.width) * now.count;
      return near ? now.shown[Math.floor(x)] ?? 0 : Math.floor(x);
    };
    /** Returns the patch of a token, or null, after making it the one shown in front. */
    const patchOf = (/** @type {number} */ token) => {
      if (!now.tokens || token >= now.count) return null;
      if (token < now.tokens.first_patch) now.front = Math.max(token, 0);
      return token < now.tokens.first_patch ? null : token - now.tokens.first_patch;
    };
    chart.canvas.addEventListener("pointermove", (event) => store.set({ patch: patchOf(tokenAt(event, false)) }));
    chart.canvas.addEventListener("pointerleave", () => store.hover(null));
    chart.canvas.addEventListener("click", (event) => store.pin(patchOf(tokenAt(event, false))));
    line.canvas.addEventListener("click", (event) => store.pin(patchOf(tokenAt(event, true))));
    chart.canvas.addEventListener("keydown", (event) => {
      const step = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 })[event.key];
      if (!step || !now.tokens) return;
      now.at = Math.min(Math.max(now.at + step, 0), now.count - 1); // keys come faster than frames
      store.set({ patch: patchOf(now.at) });
      event.preventDefault();
    });
    return (state, subject) => {
      const inside = subject.inside().value;
      const norms = inside.whole("token_norms");
      if (!norms) return;
      const { tokens } = inside;
      const at = state.patch === null ? Math.min(now.front, tokens.first_patch) : tokens.first_patch + state.patch;
      const after = when.input.value === "1" ? state.layer + 1 : 0;
      Object.assign(now, { tokens, count: tokens.count, at, shown: windowOf(tokens, at, Math.max(2, Math.floor(line.canvas.clientWidth / CELL))) });
      drawLine(line, subject, now.shown, at, normsOf(norms, 0), tokens);
      const lengths = normsOf(norms, after);
      drawBars(chart, lengths, tokens, at);
      text.textContent = describe(lengths, tokens, at, subject.geometry, after);
      line.canvas.setAttribute("aria-label", `The first tokens, and those around the selected one. ${text.textContent}`);
      chart.canvas.setAttribute("aria-label", `Lengths of all ${tokens.count} tokens. ${text.textContent}`);
    };
  },
};

/** Returns which tokens there is room for: those in front, then patches around the selected one. @param {any} tokens @param {number} at @param {number} room */
const windowOf = ({ first_patch: first, count }, at, room) => {
  const front = Math.min(first, Math.max(1, room - 3));
  const left = room - front;
  const start = Math.max(first, Math.min(at - (left >> 1), count - left));
  const patches = Array.from({ length: Math.min(left, count - first) }, (_, step) => start + step);
  return [...Array.from({ length: first ? front : 0 }, (_, token) => token), ...patches];
};

/** @param {Plot} plot @param {any} subject @param {number[]} shown @param {number} at @param {Float32Array} norms @param {any} tokens */
const drawLine = (plot, subject, shown, at, norms, tokens) => {
  const context = plot.show(LINE);
  const [text, soft, line, accent] = ["--text", "--soft", "--line", "--accent"].map((name) => plot.ink(name));
  const table = subject.served.embedding().value?.arrays;
  const places = !table || Boolean(table.positions);
  const middle = CELL / 2;
  context.textAlign = "center";
  shown.forEach((token, place) => {
    const left = place * CELL;
    const size = CELL - 20;
    context.save();
    context.translate(left, 0);
    if (token === at) {
      context.fillStyle = plot.ink("--sunk") || line;
      context.fillRect(2, 0, CELL - 4, LINE);
    }
    if (token < tokens.first_patch) {
      context.strokeStyle = line;
      context.strokeRect(10.5, 6.5, size - 1, size - 1);
      context.fillStyle = text;
      const name = tokenName(tokens, token, subject.geometry).replace("the ", "").replace(" token", "").replace("distillation", "distill.");
      context.fillText(name, middle, 6 + size / 2 - 7, size);
      context.fillStyle = soft;
      context.fillText("learned", middle, 6 + size / 2 + 8, size);
    } else {
      drawThumb(context, subject, token - tokens.first_patch, 10, 6, size);
    }
    context.fillStyle = soft;
    context.fillText(places ? `+ place ${token + 1}` : "no place yet", middle, 70, CELL - 6);
    context.fillStyle = text;
    context.fillText(`|x₀| ${norms[token].toPrecision(3)}`, middle, 88, CELL - 6);
    context.fillStyle = token < tokens.first_patch ? plot.ink("--for") || accent : accent;
    const most = norms.reduce((one, other) => Math.max(one, other), 1e-9);
    context.fillRect(10, 100, (CELL - 20) * (norms[token] / most), 8);
    if (place && shown[place - 1] !== token - 1) {
      context.fillStyle = soft;
      context.fillText("…", 0, 6 + size / 2);
    }
    context.fillStyle = soft;
    context.fillText(`${token + 1}`, middle, 120);
    context.restore();
  });
};

/** Draws one patch of the photo into a square. @param {CanvasRenderingContext2D} context @param {any} subject @param {number} patch @param {number} left @param {number} top @param {number} size */
const drawThumb = (context, subject, patch, left, top, size) => {
  const [row, col] = placeOf(subject.geometry, patch);
  const [x0, y0] = corner(subject.geometry, col, row);
  const [x1, y1] = corner(subject.geometry, col + 1, row + 1);
  context.save();
  context.beginPath();
  context.rect(left, top, size, size);
  context.clip();
  context.translate(left, top);
  context.scale(size / (x1 - x0), size / (y1 - y0));
  context.translate(-x0, -y0);
  drawPhoto(context, subject);
  context.restore();
};

/** @param {Plot} plot @param {Float32Array} norms @param {any} tokens @param {number} at */
const drawBars = (plot, norms, { first_patch: first, count }, at) => {
  const context = plot.show(CHART);
  const most = norms.reduce((one, other) => Math.max(one, other), 1e-9);
  const middle = median(norms.subarray(first));
  const [top, bottom] = [14, CHART - 4];
  const width = plot.width / count;
  const inks = { front: plot.ink("--for") || "#a85406", patch: plot.ink("--accent"), soft: plot.ink("--soft"), bad: plot.ink("--bad"), mark: plot.ink("--text") };
  const height = (/** @type {number} */ norm) => (norm / most) * (bottom - top);
  for (let token = 0; token < count; token += 1) {
    context.fillStyle = token === at ? inks.mark : token < first ? inks.front : inks.patch;
    context.fillRect(token * width, bottom - height(norms[token]), Math.max(width - (width > 3 ? 1 : 0), 0.75), height(norms[token]));
    if (norms[token] > OUTLIER * middle) {
      context.fillStyle = inks.bad;
      context.beginPath();
      context.moveTo((token + 0.5) * width - 4, 2);
      context.lineTo((token + 0.5) * width + 4, 2);
      context.lineTo((token + 0.5) * width, 10);
      context.fill();
    }
  }
  context.strokeStyle = inks.soft;
  context.setLineDash([4, 4]);
  context.strokeRect(-2, bottom - height(middle), plot.width + 4, 0);
  context.setLineDash([]);
};

/** @param {Float32Array} norms @param {any} tokens @param {number} at @param {any} geometry @param {number} after */
const describe = (norms, tokens, at, geometry, after) => {
  const middle = median(norms.subarray(tokens.first_patch));
  const outliers = norms.filter((each) => each > OUTLIER * middle).length;
  const name = tokenName(tokens, at, geometry);
  return `${name[0].toUpperCase()}${name.slice(1)}, number ${at + 1} of ${tokens.count}: length ${norms[at].toPrecision(3)} `
    + `${after ? `after block ${after}` : "as it enters"}, ${(norms[at] / middle).toFixed(2)} times the median of the patches (dashed). `
    + `${outliers ? `${counted(outliers, "token")} longer than ${OUTLIER} times the median: marked with a triangle.` : "No token is longer than three times the median."}`;
};
