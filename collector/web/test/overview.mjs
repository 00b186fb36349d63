// Looks at the page of a running collector in a real browser:
//   node overview.mjs BASE_URL SCREENSHOT.png [--calm]
// An open incident must stand there with its place (with --calm: none), nothing may be asked of any
// other server, nothing may be complained of in the console. Exit code 0 when it is so, 1 when not,
// 77 where there is no chromium.

import { inBrowser } from "./browser.mjs";

const [base, screenshot, ...flags] = process.argv.slice(2);
if (base === undefined || screenshot === undefined) {
  console.error("usage: node overview.mjs BASE_URL SCREENSHOT.png [--calm]");
  process.exit(2);
}
await inBrowser(base, async ({ open }) => {
  const page = await open("/");
  await (flags.includes("--calm") ? lookAtCalm(page) : lookAtIncident(page));
  await page.waitForSelector(".heard:not(.lost)");
  await page.waitForSelector("[data-land=drawn]");
  await page.screenshot({ path: screenshot });
});

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
