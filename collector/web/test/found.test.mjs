// Where a crew found a fault, in the words of crews.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { foundAt, foundWords } = await source("/src/found.ts");
const LANDMARKS = ["closure 061", "Yevlakh", "bridge 7+2"];
const read = (text) => foundAt(text, LANDMARKS);

test("a chainage, coordinates, a post and a landmark are told apart", () => {
  for (const text of ["256.84", "km 256,84", "256.840 km"]) assert.deepEqual(read(text), { chainage_m: 256_840 }, text);
  assert.deepEqual(read("40.52328, 47.51434"), { lat: 40.52328, lon: 47.51434 });
  assert.deepEqual(read("255+1816"), { post: "255+1816" });
  assert.deepEqual(read("post 255 + 320 m"), { post: "255+320" });
  assert.deepEqual(read("Closure 061"), { landmark: "closure 061", offset_m: 0 });
  assert.deepEqual(read("closure 061 + 40 m"), { landmark: "closure 061", offset_m: 40 });
  assert.deepEqual(read("closure 061 -12.5 m"), { landmark: "closure 061", offset_m: -12.5 });
  assert.deepEqual(read("bridge 7+2"), { landmark: "bridge 7+2", offset_m: 0 });
});

test("how well it was measured may stand behind it", () => {
  assert.deepEqual(read("km 256.84 ± 2"), { chainage_m: 256_840, plus_minus_m: 2 });
  assert.deepEqual(read("40.52328, 47.51434 +/- 1,5 m"), { lat: 40.52328, lon: 47.51434, plus_minus_m: 1.5 });
  assert.deepEqual(read("closure 061 + 40 m ± 3 m"), { landmark: "closure 061", offset_m: 40, plus_minus_m: 3 });
  assert.equal(foundWords(read("255+18 ± 3 m")), "at post 255 + 18 m ± 3 m");
  for (const text of ["km 1 ± 0", "± 3", "km 1 ±"]) assert.equal(read(text), null, text);
});

test("what cannot be told is not guessed", () => {
  for (const text of ["", "near the bridge", "closure 999", "-5", "95.0, 47.0", "closure 999 + 40 m"]) assert.equal(read(text), null, text);
});

test("words say how it was read", () => {
  const said = ["km 1.5", "40.5, 47.5", "255+18", "Yevlakh", "Yevlakh -37 m"].map((text) => foundWords(read(text)));
  assert.deepEqual(said, ["at km 1.500", "at 40.50000, 47.50000", "at post 255 + 18 m", "at Yevlakh", "37 m before Yevlakh, seen from the A end"]);
});
