// What the browser computes of the inside of the encoder, against numpy's figures in the file that EXPECTED names.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { alike, sorted } from "../../../explorer/page/encoder/heads.js";
import { largest, readLens, scoresOf } from "../../../explorer/page/encoder/lens.js";
import { distances, entropies, entropyOf } from "../../../explorer/page/encoder/measures.js";
import { fuse, rollout, smallest } from "../../../explorer/page/encoder/rollout.js";
import { scoresWith, weightedSum } from "../../../explorer/page/encoder/step.js";

const expected = JSON.parse(readFileSync(process.env.EXPECTED, "utf8"));
const { tokens, geometry, heads, layers } = expected;
const matrices = (layer) => ({ values: Uint16Array.from(expected.halves[layer]), heads, shape: [tokens.count, tokens.count] });
const near = (found, wanted, most) => {
  assert.equal(found.length, wanted.length);
  found.forEach((value, at) => assert.ok(Math.abs(value - wanted[at]) <= most, `${at}: ${value}, not ${wanted[at]}`));
};

for (const { fusion, discard, from, token, row } of expected.rollouts) {
  test(`rollout: ${fusion}, ${discard} discarded, from layer ${from}, of token ${token}, is the server's`, () => {
    const options = { layers, from, count: tokens.count, token, discard, prefix: tokens.first_patch };
    near(rollout((layer) => fuse(matrices(layer), fusion), options), row, 1e-3);
  });
}

test("entropy and mean attention distance are numpy's", () => {
  for (let layer = 0; layer < layers; layer += 1) {
    near(entropies(matrices(layer)), expected.entropies[layer], 2e-3);
    near(distances(matrices(layer), tokens, geometry), expected.distances[layer], 2e-2);
  }
  assert.equal(entropyOf(Float32Array.of(0, 1, 0)), 0);
  assert.equal(entropyOf(new Float32Array(8).fill(1 / 8)), 3);
});

test("the smallest are found among equal ones too", () => {
  for (const all of [[3, 1, 2], [1, 1, 1, 0, 1], [5], [2, 2, 1, 1, 0, 0]]) {
    all.forEach((_, at) => assert.equal(smallest(Float32Array.from(all), at), all.toSorted((a, b) => a - b)[at]));
  }
});

test("the logit lens reads the class token, or the mean over patches", () => {
  const lens = Float32Array.from({ length: 2 * 3 * 2 }, (_, at) => at);
  assert.deepEqual([...readLens(lens, [2, 3, 2], 1, { cls: 1, first_patch: 1 })], [6, 7]);
  assert.deepEqual([...readLens(lens, [2, 3, 2], 0, { cls: 0, first_patch: 1 })], [3, 4]);
  near(scoresOf([1000, 1000 + Math.log(3)], "softmax"), [0.25, 0.75], 1e-9);
  near(scoresOf([0, 2 * Math.log(3)], "softmax", 2), [0.25, 0.75], 1e-9);
  near(scoresOf([0, Math.log(3)], "sigmoid"), [0.5, 0.75], 1e-9);
  near(scoresOf([-4, 7], "none"), [-4, 7], 0);
  assert.equal(largest(Float32Array.of(-3, -1, -2)), 1);
});

test("heads are sorted by a figure, those without last", () => {
  const figures = { "0/0": 2, "0/1": null, "1/0": 1, "1/1": 3 };
  const order = sorted(2, 2, (layer, head) => figures[`${layer}/${head}`]);
  assert.deepEqual(order.map((one) => `${one.layer}/${one.head}`), ["1/0", "0/0", "1/1", "0/1"]);
  assert.deepEqual(sorted(1, 2, null), [{ layer: 0, head: 0 }, { layer: 0, head: 1 }]);
  assert.equal(alike(Float32Array.of(1, 0), Float32Array.of(0, 1)), 0);
  assert.equal(alike(Float32Array.of(1, 2), Float32Array.of(2, 4)), 1);
});

test("one step of attention: scores and the weighted sum", () => {
  const keys = Float32Array.of(1, 0, 0, 0, 2, 2, 2, 2);
  near(scoresWith(Float32Array.of(1, 2, 3, 4), keys), [0.5, 10], 0);
  near(weightedSum([0.25, 0.75], keys), [1.75, 1.5, 1.5, 1.5], 0);
});
