// A fault comes while somebody looks:
//   node cut.mjs BASE_URL
// Opens the overview, says `ready`, and waits for an incident that was not there. It has to be on the
// screen within a second of its coming over the live stream, in a window that was open all the time
// and is not loaded again. Then somebody takes it on by keyboard alone, and the other window says so.

import { inBrowser } from "./browser.mjs";
import { stream } from "./stream.mjs";

/** How long a person may be left without it. */
const SHOWN_MS = 1_000;

const [base] = process.argv.slice(2);
await inBrowser(base, async ({ open, complain }) => {
  const page = await open("/");
  await page.waitForSelector(".heard:not(.lost)");
  await page.waitForSelector("[data-land=drawn]");
  const wall = await open("/#/wall");
  await wall.waitForSelector(".heard:not(.lost)");
  const known = await page.evaluate(async () => {
    window.untouched = true;
    const { items } = await (await fetch("/api/v1/incidents?state=open")).json();
    return items.map(({ id }) => id);
  });
  const heard = stream(new URL("/api/v1/live?events=incident", base), (event) => {
    if (event.name !== "incident") return null;
    const incident = JSON.parse(event.data);
    const fresh = !known.includes(incident.id) && incident.state === "open";
    return fresh ? incident : null;
  });
  console.log("ready");
  const incident = await heard;
  const from = performance.now();
  const shown = await Promise.race([
    Promise.all([page, wall].map((window) => window.waitForFunction(there, { id: incident.id, before: known.length }, { polling: "raf" }))).then(() => true),
    new Promise((done) => setTimeout(done, SHOWN_MS, false)),
  ]);
  console.log(`shown ${(performance.now() - from).toFixed(0)} ms after it came over the stream`);
  if (!shown) complain(`an incident is not on the screen within ${SHOWN_MS} ms of the stream`);
  await page.waitForFunction((id) => document.querySelector(`[data-incident="${id}"]`) !== null, incident.id);
  if (!(await page.evaluate(() => window.untouched))) complain("the page was loaded again");

  await byKeyboard(page, complain);
  const taken = (id) => document.querySelector(`[data-incident="${id}"] .kicker`)?.textContent?.includes("acknowledged");
  await wall.waitForFunction(taken, incident.id);
  await page.waitForFunction(taken, incident.id);
  console.log("acknowledged");
});

/** Whether an incident stands on the page: as the one that is shown, or as one more in the list. */
function there({ id, before }) {
  return document.querySelector(`[data-incident="${id}"]`) !== null || document.querySelectorAll(".incidents .row").length > before;
}

/** Takes an incident on with Tab, letters and Enter; whoever does so must see where they are. */
async function byKeyboard(page, complain) {
  const steps = [];
  const reach = async (what, here) => {
    for (let step = 0; step < 120; step += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(where);
      steps.push(at.name);
      if (!at.seen) complain(`nothing shows that the keyboard is at ${at.name}`);
      if (here(at)) return;
    }
    throw new Error(`the keyboard does not reach ${what}: ${steps.join(" > ")}`);
  };
  await reach("the name", (at) => at.name === "your name");
  await page.keyboard.type("Aysel");
  await reach("Acknowledge", (at) => at.name === "Acknowledge");
  await page.keyboard.press("Enter");
}

/** Where the keyboard is, and whether that can be seen. */
function where() {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const name = at.getAttribute("aria-label") ?? at.textContent?.trim().slice(0, 40) ?? at.tagName;
  return { name, seen: at === document.body || outlined || style.boxShadow !== "none" };
}
