// Goes through every page of a running collector that has one open incident, as people do:
//   node pages.mjs BASE_URL [FOLDER FOR PICTURES]
// Acknowledges in one window and looks for it in another, opens the incident on a phone, zooms a trace,
// uploads one, charts a point, signs nothing in. Every page is held against axe-core.

import { join } from "node:path";
import { violations } from "./axe.mjs";
import { inBrowser } from "./browser.mjs";

const [base, pictures] = process.argv.slice(2);
if (base === undefined) {
  console.error("usage: node pages.mjs BASE_URL [FOLDER]");
  process.exit(2);
}
const api = async (path) => (await fetch(new URL(`/api/v1/${path}`, base))).json();
/** What a phone may fetch before the incident can be read. */
const PHONE_BYTES = 150_000;
/** Script for one picture of a trace while it is zoomed. */
const FRAME_MS = 16;

await inBrowser(base, async ({ open, complain }) => {
  const [incident] = (await api("incidents?state=open")).items;
  const keep = async (page, name) => {
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}.png`) });
  };
  const accessible = async (page, name) => {
    for (const complaint of await violations(page)) complain(`${name}: ${complaint}`);
  };

  const overview = await open("/");
  await overview.waitForSelector("[data-incident]");
  await overview.waitForSelector("[data-land=drawn]");
  const paint = await overview.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0);
  console.log(`first paint ${paint.toFixed(0)} ms`);
  await accessible(overview, "overview");
  await keep(overview, "overview");

  const phone = await open(null, { width: 360, height: 740 });
  const network = await phone.context().newCDPSession(phone);
  let bytes = 0;
  await network.send("Network.enable");
  network.on("Network.dataReceived", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  await phone.goto(new URL(`/#/incident/${incident.id}`, base).href);
  await phone.waitForSelector(`[data-incident="${incident.id}"]`);
  await phone.waitForSelector(".closeup");
  await phone.waitForSelector(".heard:not(.lost)");
  console.log(`phone: ${Math.round(bytes / 1_000)} of ${PHONE_BYTES / 1_000} kB until the incident can be read`);
  if (bytes > PHONE_BYTES) complain(`a phone fetches ${bytes} bytes`);
  const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
  if (wide > 360) complain(`the phone's page is ${wide} pixels wide`);
  await accessible(phone, "phone");
  await keep(phone, "phone");

  const desk = await open(`/#/incident/${incident.id}`);
  await desk.waitForSelector("[data-land=drawn]");
  await desk.waitForSelector(".viewer .plot canvas");
  await accessible(desk, "incident");
  await keep(desk, "incident");
  // By keyboard alone: the name, then Enter on the button.
  await desk.focus("[aria-label='your name']");
  await desk.keyboard.type("Aysel");
  await desk.getByRole("button", { name: "Acknowledge" }).focus();
  await desk.keyboard.press("Enter");
  await overview.waitForFunction(() => document.querySelector(".incident .kicker")?.textContent?.includes("acknowledged"));
  await phone.waitForFunction(() => document.querySelector(".history")?.textContent?.includes("Aysel"));
  await desk.close();
  await phone.close();

  const trace = (await api("traces?limit=200")).items.find((one) => one.view !== null && one.analysis?.end_of_fibre != null);
  await overview.goto(new URL(`/#/traces/${trace.id}`, base).href);
  await overview.waitForSelector(".viewer[data-exact=true] .plot canvas");
  await overview.locator(".plot .u-over").hover();
  const frames = [];
  for (let turn = 0; turn < 20; turn += 1) {
    await overview.mouse.wheel(0, turn < 12 ? -120 : 120);
    await overview.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    frames.push(Number(await overview.locator(".plot .uplot").getAttribute("data-script")));
  }
  frames.sort((a, b) => a - b);
  console.log(`trace: ${frames.at(-1)} ms of script for the worst picture, ${frames[10]} ms for the usual one`);
  if (!(frames[10] < FRAME_MS)) complain(`a picture of a trace takes ${frames[10]} ms of script`);
  const box = await overview.locator(".plot .u-over").boundingBox();
  await overview.mouse.click(box.x + box.width * 0.2, box.y + 50);
  await overview.mouse.click(box.x + box.width * 0.4, box.y + 50);
  await overview.waitForSelector(".markers output:has-text('LSA')");
  await overview.locator(".events button").first().click();
  await overview.waitForSelector(".events tr.picked");
  await overview.getByRole("button", { name: "Whole trace" }).click();
  await overview.locator(".picks select").selectOption({ index: 1 });
  await accessible(overview, "traces");
  await keep(overview, "traces");

  const sor = Buffer.from(await (await fetch(new URL(trace.sor, base))).arrayBuffer());
  const file = { name: "handheld.sor", mimeType: "application/octet-stream", buffer: sor };
  await overview.locator(".picks input[type=file]").setInputFiles(file);
  await overview.waitForSelector(".title:has-text('handheld.sor')");

  const road = await open("/#/roadside", { width: 360, height: 740 });
  await road.waitForSelector("optgroup option", { state: "attached" });
  await road.locator("label:has-text('Line') select").selectOption(trace.line);
  await road.waitForFunction((view) => [...document.querySelectorAll("optgroup option")].some((one) => one.textContent === view), trace.view);
  await road.locator("label:has-text('Shot from') select").selectOption(`view ${trace.view}`);
  await road.locator("input[type=file]").setInputFiles(file);
  await road.waitForSelector("[data-walk*='towards']");
  await road.waitForSelector("[data-land=drawn]");
  await accessible(road, "roadside");
  await keep(road, "roadside");
  await road.close();

  await overview.goto(new URL("/#/devices", base).href);
  const device = (await api("devices")).items.find((one) => one.readings.some((reading) => reading.value !== null));
  await overview.locator(`.shots button:has-text("${device.id}")`).first().click();
  await overview.locator(".device input[type=checkbox]").first().check();
  await overview.waitForSelector(".chart[data-drawn]:not([data-drawn='']) canvas");
  await accessible(overview, "devices");
  await keep(overview, "devices");

  await overview.goto(new URL("/#/admin", base).href);
  await overview.waitForSelector(".admin h2:has-text('Audit')");
  await accessible(overview, "admin");
  await keep(overview, "admin");
  await overview.goto(new URL("/#/wall", base).href);
  await overview.waitForSelector(".wall [data-land=drawn]");
  await accessible(overview, "wall");
  await keep(overview, "wall");
});
