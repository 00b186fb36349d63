// What a plot of a trace shows of the noise behind its end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { columns, curve, noiseFloor } = await source("/src/curve.ts");

const levels = (min_db, max_db = []) => ({ first_m: 0, step_m: 2, samples_each: 1, min_db, max_db });
const glass = Array.from({ length: 900 }, (_, at) => -5 - at * 0.02);

test("a plot ends under the peaks of the noise, not at its pits", () => {
  const noise = Array.from({ length: 100 }, (_, at) => (at % 3 === 0 ? -34 - (at % 5) * 0.1 : -65));
  assert.equal(noiseFloor(curve(levels([...glass, ...noise]))), -42);
});

test("a trace that ends in light keeps all of itself", () => {
  assert.equal(noiseFloor(curve(levels(glass))), -Infinity);
  assert.equal(noiseFloor(curve(levels([]))), -Infinity);
});

test("from afar every peak is still there", () => {
  const tall = [...glass];
  tall[450] = 12;
  const { max } = columns(curve(levels(tall)), 0, 1_800, 60);
  assert.equal(Math.max(...max), 12);
});
