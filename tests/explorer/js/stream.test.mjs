// Containers as they arrive: in any pieces, and cut off.

import assert from "node:assert/strict";
import test from "node:test";

import { arrivals, decoded, sizeOf } from "../../../explorer/page/encoder/blocks.js";
import { readContainer, readHead } from "../../../explorer/page/encoder/stream.js";
import { fromHalf, HALF } from "../../../explorer/page/half.js";

const HEAD = {
  dtype: "float16",
  parts: [
    { part: "token_norms", layers: [], heads: [], shape: [2, 3], offset: 0, bytes: 12 },
    { part: "queries", layers: [1, 4], heads: [0, 2], shape: [1, 2], offset: 16, bytes: 16 },
  ],
};

const container = (head, values) => {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const length = Math.ceil((4 + text.length) / 8) * 8 - 4;
  const bytes = new Uint8Array(4 + length + values.length).fill(32);
  new DataView(bytes.buffer).setUint32(0, length, true);
  bytes.set(text, 4);
  bytes.set(values, 4 + length);
  return bytes;
};

const streamed = (bytes, size) =>
  new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });

const VALUES = new Uint8Array(new Uint16Array([0, 1, 2, 3, 4, 5, 0, 0, 10, 11, 12, 13, 14, 15, 16, 17]).buffer);

test("numbers of 16 bits are what IEEE 754 says", () => {
  const bits = [0x0000, 0x0001, 0x03ff, 0x0400, 0x3555, 0x3c00, 0x7bff, 0x8000, 0xc000, 0x7c00, 0xfc00];
  const worth = [0, 2 ** -24, 2 ** -14 * (1023 / 1024), 2 ** -14, 0.333251953125, 1, 65504, -0, -2, Infinity, -Infinity];
  assert.deepEqual([...fromHalf(Uint16Array.from(bits))], worth);
  assert.ok(Number.isNaN(HALF[0x7e00]));
});

for (const size of [1, 7, 64, 10000]) {
  test(`a container in pieces of ${size} bytes`, async () => {
    const [seen, bytes] = [[], container(HEAD, VALUES)];
    let before = 0;
    const progress = ({ head, values }, arrived) => {
      for (const one of arrivals(head, values, before, arrived)) seen.push([one.part, one.layer, [...one.blocks.values]]);
      before = arrived;
    };
    await readContainer(streamed(bytes, size), (head, values) => ({ head, values }), progress, sizeOf);
    assert.deepEqual(seen, [["token_norms", -1, [0, 1, 2, 3, 4, 5]], ["queries", 1, [10, 11, 12, 13]], ["queries", 4, [14, 15, 16, 17]]]);
    assert.equal(readHead(bytes).start % 8, 0);
  });
}

test("a container that ends early, or goes on, is refused", async () => {
  const bytes = container(HEAD, VALUES);
  const read = (some) => readContainer(streamed(some, 50), () => 0, () => {}, sizeOf);
  await assert.rejects(read(bytes.slice(0, 2)), /ended before/);
  await assert.rejects(read(bytes.slice(0, -1)), /ended before/);
  await assert.rejects(read(new Uint8Array([...bytes, 0])), /more than it announced/);
});

test("values are decoded by their type, into a copy", () => {
  const floats = Float32Array.of(1.5, -2);
  const copy = decoded(floats);
  copy[0] = 9;
  assert.deepEqual([floats[0], ...decoded(Uint16Array.of(0x3c00))], [1.5, 1]);
});
