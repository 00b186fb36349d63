// Goes through the pages that look back and ahead, of a running collector with one open incident that
// took services down:
//   node history.mjs BASE_URL [FOLDER FOR PICTURES]
// Whom it hurts, a permit granted and taken back, a month on paper, how a fibre ages, how a light input
// performed. Every page is held against axe-core and reached by keyboard.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { inBrowser } from "./browser.mjs";

const [base, pictures] = process.argv.slice(2);
if (base === undefined) {
  console.error("usage: node history.mjs BASE_URL [FOLDER]");
  process.exit(2);
}
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const api = async (path) => (await fetch(new URL(`/api/v1/${path}`, base))).json();

await inBrowser(base, async ({ open, complain }) => {
  const page = await open("/");
  const looked = async (name) => {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
    for (const { id, help, nodes } of violations) complain(`${name}: axe ${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.target.join(" ")).join(", ")}`);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
  };
  const go = async (name) => {
    const link = page.locator(".pages a", { hasText: name });
    await link.focus();
    await page.keyboard.press("Enter");
  };

  const down = (await api("services")).items.filter((one) => one.state === "down");
  if (down.length === 0) throw new Error("the incident took no service down");
  const [incident] = down[0].incidents;
  await page.waitForSelector(`[data-losses*="${down[0].id}=down"]`);
  await go("Services");
  await page.waitForSelector(`[data-service="${down[0].id}"] a[href="#/incident/${incident}"]`);
  await looked("services");

  await go("Planned work");
  await page.getByLabel("Who works").fill("Rashid");
  await page.getByLabel("Telephone").fill("+994 12 000 00 00");
  await page.getByLabel("What for").fill("a closure is opened");
  await page.getByLabel("Granted by").fill("Aysel");
  await page.getByRole("button", { name: "Grant" }).click();
  await page.waitForSelector("[data-permit]:has-text('Rashid'):has-text('✓ all')");
  await looked("work");
  await page.getByRole("button", { name: "take back" }).click();
  await page.waitForSelector("[data-permit]:has-text('taken back')");

  await go("Reports");
  const { line } = (await api(`incidents/${incident}`)).place;
  await page.waitForSelector(`[data-line="${line}"]`);
  const { month, lines } = await api(`reports/${new Date().toISOString().slice(0, 7)}`);
  if (!(lines.find((one) => one.line === line).availability.unavailable_s > 0)) complain("an outage does not count");
  const table = await fetch(new URL(await page.locator("a[download]").getAttribute("href"), base));
  if (!(await table.text()).includes(`incident,${incident},`)) complain(`${month}: the table does not list the incident`);
  await looked("report");
  await page.emulateMedia({ media: "print" });
  if (await page.locator(".bar").isVisible()) complain("the bar is printed");
  await page.emulateMedia({ media: "screen" });

  await go("Calibration");
  await page.waitForSelector("td:has-text('±')");
  await looked("calibration");

  const { items: [shot] } = await api("traces?limit=1");
  await page.goto(new URL(`/#/fibres/${shot.view}`, base).href);
  await page.waitForSelector("[data-splice]");
  await looked("fibre");

  const device = (await api("devices")).items.find((one) => one.readings.some((reading) => reading.role === "light_in"));
  const point = device.readings.find((reading) => reading.role === "light_in").point;
  await page.goto(new URL(`/#/devices/${device.id}`, base).href);
  await page.getByLabel(`chart ${point}`, { exact: true }).check();
  await page.locator(".performance summary").click();
  await page.waitForSelector(".performance tbody tr:has-text('still running')");
  await page.getByRole("button", { name: "24 hours" }).click();
  await page.waitForSelector(".performance:has-text('1 of 7 intervals seen')");
  await looked("performance");
});
