// The page of a running collector, where SILKLINE_URL names one; see overview.mjs.

import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { test } from "node:test";

test("the page of a running collector is well", (context) => {
  const url = process.env.SILKLINE_URL;
  if (url === undefined) return context.skip("SILKLINE_URL names no collector");
  const overview = fileURLToPath(new URL("overview.mjs", import.meta.url));
  const screenshot = join(mkdtempSync(join(tmpdir(), "silkline-shot-")), "page.png");
  const calm = process.env.SILKLINE_CALM === undefined ? [] : ["--calm"];
  const run = spawnSync(process.execPath, [overview, url, screenshot, ...calm], { encoding: "utf8" });
  if (run.status === 77) return context.skip("no chromium");
  assert.equal(run.status, 0, run.stderr);
  return undefined;
});
