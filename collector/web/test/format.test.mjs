// Quantities and places as the page writes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const format = await source("/src/format.ts");
const route = await source("/src/route.ts");

test("a duration is told in its two largest units", () => {
  const told = [0, 59.4, 61, 599, 3_599, 7_500, 90_000].map(format.duration);
  assert.deepEqual(told, ["0 s", "59 s", "1 min 1 s", "9 min 59 s", "60 min", "2 h 5 min", "1 d 1 h"]);
});

test("a clock that runs ahead makes no age below zero", () => {
  assert.equal(format.ageSeconds("2026-01-01T00:00:10Z", Date.parse("2026-01-01T00:00:00Z")), 0);
  assert.equal(format.ageSeconds(null, 0), null);
});

test("an interval that is not even promises its longer side", () => {
  assert.equal(format.plusMinus(100, [90, 130]), 30);
});

test("a place says what is known and nothing more", () => {
  const unknown = { where: "unknown", chainage_m: null, interval95_m: null, span: null, node: null };
  assert.equal(format.placeInShort(unknown), "place not known");
  assert.equal(format.placeInShort({ ...unknown, where: "span", span: "a..b" }), "span a – b");
  const located = { ...unknown, where: "span", span: "a..b", chainage_m: 28_420, interval95_m: [28_402, 28_438] };
  assert.equal(format.placeInShort(located), "km 28.420 ± 18 m");
  assert.equal(format.placeInShort({ ...unknown, where: "site", node: "ganja" }), "at ganja");
});

test("an offset says on which side of the landmark the fault is", () => {
  assert.equal(format.offset("closure 7", 420), "420 m past closure 7");
  assert.equal(format.offset("dallar", -12_580), "12.6 km before dallar");
});

test("a time of another day says which", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  assert.equal(format.clock("2026-11-22T03:04:05Z", now), "03:04:05");
  assert.equal(format.clock("2026-11-20T03:04:05Z", now), "20 Nov 03:04:05");
});

test("a stretch of the route holds its ends and what bends between them", () => {
  const vertices = [[40, 50, 0], [41, 50, 1_000], [41, 51, 2_000]];
  assert.deepEqual(route.at(vertices, 500), [40.5, 50]);
  assert.deepEqual(route.at(vertices, 9_000), [41, 51]);
  assert.deepEqual(route.stretch(vertices, 500, 1_500), [[40.5, 50], [41, 50], [41, 50.5]]);
  assert.deepEqual(route.stretch([], 0, 1), []);
});
