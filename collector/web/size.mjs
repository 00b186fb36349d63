// Keeps the first page small: a NOC's thin client loads it over a line that may be half cut. Other
// pages come when somebody goes there.

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 120_000;
/** What the overview fetches, by the names that Vite gives. */
const FIRST = /^(index|overview|map)-.*\.js$/;
const folder = new URL("dist/assets/", import.meta.url);
try {
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const size = (names) => names.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, folder))).length, 0);
  const [first, all] = [size(scripts.filter((name) => FIRST.test(name))), size(scripts)];
  console.log(`dashboard: ${Math.round(first / 1_000)} of ${LIMIT / 1_000} kB of script for the first page, ${Math.round(all / 1_000)} kB for all, gzipped`);
  if (first > LIMIT) process.exit(1);
} catch {
  console.log("dashboard: size not checked, it was not built");
}
