// Which shots a waterfall over weeks shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { evenly } = await source("/src/client.ts");

const shot = (hour) => ({ id: hour, at: new Date(Date.UTC(2026, 0, 1, hour)).toISOString() });

test("few shots are all shown, newest first", () => {
  assert.deepEqual(evenly([shot(1), shot(3), shot(2)], 60).map((one) => one.id), [3, 2, 1]);
  assert.deepEqual(evenly([], 60), []);
});

test("many shots are spread over their time, each once", () => {
  // Hourly for a week, then every minute's worth of trouble in the last hour.
  const hourly = Array.from({ length: 168 }, (_, hour) => shot(hour));
  const burst = Array.from({ length: 500 }, (_, number) => ({ id: 1_000 + number, at: new Date(Date.UTC(2026, 0, 7, 23, 30, number / 10)).toISOString() }));
  const chosen = evenly([...hourly, ...burst], 60);
  assert.ok(chosen.length > 50 && chosen.length <= 60);
  assert.equal(new Set(chosen).size, chosen.length);
  assert.equal(chosen.at(-1).id, 0);
  assert.ok(chosen.filter((one) => one.id >= 1_000).length <= 2, "a burst does not push the weeks out");
});
