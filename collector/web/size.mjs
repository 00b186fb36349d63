// Keeps the page small: a NOC's thin client loads it over a line that may be half cut.

import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT = 120_000;
const folder = new URL("dist/assets/", import.meta.url);
try {
  const scripts = readdirSync(folder).filter((name) => name.endsWith(".js"));
  const bytes = scripts.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, folder))).length, 0);
  console.log(`dashboard: ${Math.round(bytes / 1_000)} of ${LIMIT / 1_000} kB of script, gzipped`);
  if (bytes > LIMIT) process.exit(1);
} catch {
  console.log("dashboard: size not checked, it was not built");
}
