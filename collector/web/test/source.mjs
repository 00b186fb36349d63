// The page's own code, as a test may call it.

import { after } from "node:test";
import { createServer } from "vite";

/** A module of `src/` by its path, such as `/src/format.ts`. */
export async function source(path) {
  const vite = await createServer({ server: { middlewareMode: true, ws: false }, appType: "custom", logLevel: "silent" });
  after(() => vite.close());
  return vite.ssrLoadModule(path);
}
