// A real browser that complains of everything a page must not do: errors in the console, scripts that
// fail, questions to any other server.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const DEADLINE_MS = 30_000;
const BROWSERS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const QUIET = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Runs `work` in a browser; ends the process: 0 well, 1 not, 77 where there is no browser. */
export async function inBrowser(base, work) {
  const executablePath = BROWSERS.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined) {
    console.log("skipped: no chromium");
    process.exit(77);
  }
  const profile = mkdtempSync(join(tmpdir(), "silkline-page-"));
  const options = { executablePath, args: QUIET, viewport: { width: 1600, height: 1000 }, acceptDownloads: true };
  const browser = await chromium.launchPersistentContext(profile, options);
  const complaints = [];
  const open = async (path, size) => {
    const page = await browser.newPage();
    if (size !== undefined) await page.setViewportSize(size);
    page.setDefaultTimeout(DEADLINE_MS);
    page.on("console", (said) => said.type() === "error" && complaints.push(`console: ${said.text()} ${said.location().url}`));
    page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(base) && !url.startsWith("data:") && !url.startsWith("blob:")) complaints.push(`asked elsewhere: ${url}`);
    });
    if (path !== null) await page.goto(new URL(path, base).href);
    return page;
  };
  try {
    await work({ open, complain: (what) => complaints.push(what), forgive: (sign) => complaints.splice(0, complaints.length, ...complaints.filter((one) => !sign.test(one))) });
  } catch (error) {
    complaints.push(error.stack ?? error.message);
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true });
  }
  for (const complaint of complaints) console.error(complaint);
  process.exit(complaints.length === 0 ? 0 : 1);
}
