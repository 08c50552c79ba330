/*
 * Sealed answers, as dtsnn_lite/classroom/seals.py makes them: the page holds the seal of the right answer, not the answer.
 * SHA-256 is written out because crypto.subtle is missing on pages that were opened from a folder.
 */
(() => {
  "use strict";

  // The first 32 bits of the fractional parts of the roots of the first primes (FIPS 180-4).
  const PRIMES = (() => {
    const found = [];
    for (let n = 2; found.length < 64; n++) if (found.every((prime) => n % prime)) found.push(n);
    return found;
  })();
  const fraction = (root) => ((root - Math.floor(root)) * 2 ** 32) | 0;
  const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
  const ROUND = PRIMES.map((prime) => fraction(Math.cbrt(prime)));

  const turn = (word, bits) => (word >>> bits) | (word << (32 - bits));

  function padded(bytes) {
    const blocks = Math.ceil((bytes.length + 9) / 64);
    const view = new DataView(new ArrayBuffer(blocks * 64));
    bytes.forEach((byte, place) => view.setUint8(place, byte));
    view.setUint8(bytes.length, 0x80);
    view.setUint32(blocks * 64 - 8, Math.floor(bytes.length / 2 ** 29));
    view.setUint32(blocks * 64 - 4, (bytes.length * 8) >>> 0);
    return view;
  }

  function schedule(view, at) {
    const w = Array.from({ length: 16 }, (_, i) => view.getInt32(at + 4 * i));
    for (let i = 16; i < 64; i++) {
      const a = w[i - 15], b = w[i - 2];
      const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3), s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
      w.push((w[i - 16] + s0 + w[i - 7] + s1) | 0);
    }
    return w;
  }

  function compress(state, w) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), choose = (e & f) ^ (~e & g);
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22), majority = (a & b) ^ (a & c) ^ (b & c);
      const first = (h + s1 + choose + ROUND[i] + w[i]) | 0;
      [a, b, c, d, e, f, g, h] = [(first + s0 + majority) | 0, a, b, c, (d + first) | 0, e, f, g];
    }
    return [a, b, c, d, e, f, g, h].map((word, i) => (word + state[i]) | 0);
  }

  // The digest of a text in UTF-8, as 32 bytes.
  function sha256(text) {
    const view = padded(new TextEncoder().encode(text));
    let state = START;
    for (let at = 0; at < view.byteLength; at += 64) state = compress(state, schedule(view, at));
    const digest = new DataView(new ArrayBuffer(32));
    state.forEach((word, i) => digest.setInt32(4 * i, word));
    return new Uint8Array(digest.buffer);
  }

  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // --- an answer as tokens ---

  const LARGEST_BUCKET = 2 ** 53 - 2;

  const bucket = (value, width) => Math.floor(value / width + 0.5);

  function candidates(kind, given, width, unit) {
    if (kind !== "number") {
      const letters = given.split(",").map((letter) => letter.trim()).filter(Boolean);
      return [`${kind}:${(kind === "several" ? letters.sort() : letters).join(",")}`];
    }
    const values = globalThis.Typed.readings(given, unit).filter((value) => Math.abs(value / width) <= LARGEST_BUCKET);
    return values.flatMap((value) => [0, -1, 1].map((step) => `number:${BigInt(bucket(value, width) + step)}`));
  }

  // --- seals and replies ---

  const seal = (salt, token) => hex(sha256(`${salt}|${token}|seal`));

  function unlock(locked, salt, token) {
    const bytes = Uint8Array.from(atob(locked), (character) => character.charCodeAt(0));
    let stream = null;
    for (let i = 0; i < bytes.length; i++) {
      if (i % 32 === 0) stream = sha256(`${salt}|${token}|${i / 32}`);
      bytes[i] ^= stream[i % 32];
    }
    return new TextDecoder().decode(bytes);
  }

  // { right, reply, known }: the verdict on what a reader gave to a sealed question.
  function check({ salt, kind, width, seals, unit }, given) {
    const tried = candidates(kind, given, width, unit);
    const places = new Map(seals.map(([sealed], place) => [sealed, place]));
    for (const token of tried) { // its own bucket before the neighbours
      const place = places.get(seal(salt, token));
      if (place !== undefined) return { right: place === 0, reply: unlock(seals[place][1], salt, token), known: true };
    }
    const reply = tried.length ? "" : "Give a number, like 0.25, 3e-4 or 1/3.";
    return { right: false, reply, known: false };
  }

  globalThis.Seals = { sha256, hex, bucket, candidates, seal, unlock, check };
})();
