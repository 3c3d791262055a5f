// A container (see container.js) read while it arrives, so that what comes first can be shown first.

/**
 * Returns the head, and where the values begin, of as many bytes as have arrived; null before the head has.
 * @param {Uint8Array} bytes
 * @returns {{head: any, start: number} | null}
 */
export const readHead = (bytes) => {
  if (bytes.length < 4) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (bytes.length < 4 + length) return null;
  return { head: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), start: 4 + length };
};

/**
 * Reads a container while it arrives. `begin` is called with the head, and returns what each `progress` is called with,
 * together with how many bytes of values are there.
 * @template T
 * @param {ReadableStream<Uint8Array>} stream
 * @param {(head: any, values: Uint8Array<ArrayBuffer>) => T} begin `values` is as long as they will be, and fills meanwhile
 * @param {(begun: T, arrived: number) => void} progress
 * @param {(head: any) => number} size returns the bytes of all values, by the head
 * @returns {Promise<T>} when all of it is there. Throws Error for a stream that ends before.
 */
export const readContainer = async (stream, begin, progress, size) => {
  const reader = stream.getReader();
  let first = new Uint8Array(0);
  let [values, arrived] = [new Uint8Array(0), 0];
  /** @type {T | undefined} */
  let begun;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    let piece = value;
    if (begun === undefined) {
      first = joined(first, piece);
      const found = readHead(first);
      if (!found) continue;
      values = new Uint8Array(size(found.head));
      begun = begin(found.head, values);
      piece = first.subarray(found.start);
    }
    if (arrived + piece.length > values.length) throw new Error("The server sent more than it announced.");
    values.set(piece, arrived);
    arrived += piece.length;
    progress(begun, arrived);
  }
  if (begun === undefined || arrived < values.length) throw new Error("The connection ended before the whole answer was there.");
  return begun;
};

/** @param {Uint8Array} one @param {Uint8Array} other */
const joined = (one, other) => {
  const found = new Uint8Array(one.length + other.length);
  found.set(one);
  found.set(other, one.length);
  return found;
};
