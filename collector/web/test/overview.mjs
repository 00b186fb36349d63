// Looks at the page of a running collector in a real browser:
//   node overview.mjs BASE_URL SCREENSHOT.png [--calm]
// An open incident must stand there with its place (with --calm: none), nothing may be asked of any
// other server, nothing may be complained of in the console. Exit code 0 when it is so, 1 when not,
// 77 where there is no chromium.

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

const [base, screenshot, ...flags] = process.argv.slice(2);
if (base === undefined || screenshot === undefined) {
  console.error("usage: node overview.mjs BASE_URL SCREENSHOT.png [--calm]");
  process.exit(2);
}
const executablePath = BROWSERS.find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) {
  console.log("skipped: no chromium");
  process.exit(77);
}

const profile = mkdtempSync(join(tmpdir(), "silkline-page-"));
const options = { executablePath, args: QUIET, viewport: { width: 1600, height: 1000 } };
const browser = await chromium.launchPersistentContext(profile, options);
const complaints = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.on("console", (said) => said.type() === "error" && complaints.push(`console: ${said.text()}`));
  page.on("pageerror", (error) => complaints.push(`script: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(base) && !url.startsWith("data:")) complaints.push(`asked elsewhere: ${url}`);
  });
  await page.goto(base);
  await (flags.includes("--calm") ? lookAtCalm(page) : lookAtIncident(page));
  await page.waitForSelector(".heard:not(.lost)");
  await page.waitForSelector("[data-land=drawn]");
  await page.screenshot({ path: screenshot });
} catch (error) {
  complaints.push(error.message);
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
for (const complaint of complaints) console.error(complaint);
console.log(complaints.length === 0 ? `the page is well: ${screenshot}` : "the page is not well");
process.exit(complaints.length === 0 ? 0 : 1);

/** The worst open incident of the API stands on the page, with its headline and its place. */
async function lookAtIncident(page) {
  const { items } = await (await fetch(new URL("/api/v1/incidents?state=open", base))).json();
  if (items.length === 0) throw new Error("the API has no open incident to look for");
  const article = await page.waitForSelector("[data-incident]");
  const id = await article.getAttribute("data-incident");
  const incident = items.find((one) => one.id === id);
  if (incident === undefined) throw new Error(`the page shows ${id}, which the API does not list`);
  const text = await article.innerText();
  if (!text.includes(incident.headline)) throw new Error(`the headline is missing: ${incident.headline}`);
  const { chainage_m: at, span, node } = incident.place;
  const shown = page.locator("[data-place]");
  const place = await shown.innerText();
  const where = await shown.getAttribute("data-place");
  if (where !== (span ?? node ?? "")) throw new Error(`the place is in ${where}, not in ${span ?? node}`);
  const km = at === null || node !== null ? "" : `km ${(at / 1_000).toFixed(3)}`;
  if (!place.includes(km)) throw new Error(`the place is ${place}, not ${km}`);
  await page.waitForSelector(`[data-line="${incident.place.line}"] .fault, [data-line="${incident.place.line}"] .span.${incident.severity}`, { state: "attached" });
}

async function lookAtCalm(page) {
  await page.waitForSelector(".calm");
  if ((await page.locator("[data-incident]").count()) > 0) throw new Error("an incident is shown");
}
