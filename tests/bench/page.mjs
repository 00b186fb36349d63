// Measures the page of a whole simulated corridor with a fault on it, each figure beside its bound:
//   node page.mjs [FOLDER OF THE PROGRAMS]
// Starts the demo by itself and ends it; skipped where there is no chromium. Exit code 1 when a figure
// is worse than its bound.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { scores } from "./lighthouse.mjs";
import { crowd } from "./crowd.mjs";

const root = resolve(fileURLToPath(import.meta.url), "../../..");
const programs = process.argv[2] ?? join(root, "target/debug");
const browsers = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"];
const executablePath = browsers.find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) {
  console.log("page: skipped: no chromium");
  process.exit(0);
}
const { chromium } = createRequire(join(root, "collector/web/package.json"))("playwright-core");
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

let worse = 0;
/** Prints a figure beside its bound; `most` unless `least` is said. */
function figure(name, value, bound, unit, least = false) {
  const good = least ? value >= bound : value <= bound;
  if (!good) worse += 1;
  console.log(`page: ${name.padEnd(58)} ${String(value).padStart(7)} ${unit.padEnd(6)} must ${least ? "≥" : "≤"} ${bound} ${good ? "" : "WORSE"}`);
}

const freePort = () => new Promise((done) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});

async function demo() {
  const [port, control] = [await freePort(), await freePort()];
  const child = spawn(join(programs, "silkline-sim"), ["--seed", "11", "--control", `127.0.0.1:${control}`, "demo", "--fast"], { env: { ...process.env, DEMO_PORT: String(port) } });
  let said = "";
  const told = new Promise((done, fail) => {
    child.stdout.on("data", (bytes) => { said += bytes; if (said.includes("truth")) done(); });
    child.stderr.on("data", (bytes) => { said += bytes; });
    child.on("exit", () => fail(new Error(`the demo ended:\n${said}`)));
  });
  await told;
  child.removeAllListeners("exit");
  const end = () => new Promise((done) => { child.on("exit", done); child.kill("SIGTERM"); });
  return { base: `http://127.0.0.1:${port}/`, end, pid: child.pid };
}

/** The collector among the children of a process. */
function collectorOf(parent) {
  for (const task of readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ")) {
    if (readFileSync(`/proc/${task}/cmdline`, "utf8").includes("silkline-collector")) return Number(task);
  }
  throw new Error("the demo has no collector");
}

/** Opens the overview in a fresh browser: when it is useful, and what it has fetched by then. */
async function firstLook(browser, base) {
  const page = await browser.newPage();
  const network = await page.context().newCDPSession(page);
  let script = 0;
  const scripts = new Set();
  await network.send("Network.enable");
  network.on("Network.responseReceived", ({ requestId, type }) => type === "Script" && scripts.add(requestId));
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => { if (scripts.has(requestId)) script += encodedDataLength; });
  await page.addInitScript(() => {
    const look = () => (document.querySelector("[data-incident] [data-place]") === null ? requestAnimationFrame(look) : requestAnimationFrame(() => { window.useful = performance.now(); }));
    requestAnimationFrame(look);
  });
  await page.goto(base);
  const useful = await (await page.waitForFunction(() => window.useful)).jsonValue();
  await page.waitForSelector("[data-land=drawn]");
  const painted = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
  return { page, useful, painted, script };
}

/** From asking for a change until another, open window shows it: the change's way into the store included. */
async function untilShown(page, base, incident, round) {
  const note = `measured ${round}`;
  const shown = page.waitForFunction((text) => document.querySelector(".history")?.textContent?.includes(text), note, { polling: "raf" });
  const from = performance.now();
  await fetch(new URL(`/api/v1/incidents/${incident}/note`, base), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ who: "bench", text: note }) });
  await shown;
  return performance.now() - from;
}

const middle = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const profile = mkdtempSync(join(tmpdir(), "silkline-bench-"));
const running = await demo();
try {
  const looks = [];
  for (let turn = 0; turn < 5; turn += 1) {
    const browser = await chromium.launch({ executablePath, args: QUIET });
    const { page, ...look } = await firstLook(browser, running.base);
    looks.push(look);
    await page.close();
    await browser.close();
  }
  figure("first useful paint, loopback, middle of 5 cold browsers", Math.round(middle(looks.map(({ useful }) => useful))), 500, "ms");
  figure("script of the first page, over the wire", Math.round(looks[0].script / 1_000), 120, "kB");

  const browser = await chromium.launch({ executablePath, args: QUIET });
  const { page } = await firstLook(browser, running.base);
  const incident = await page.getAttribute("[data-incident]", "data-incident");
  const times = [];
  for (let round = 0; round < 15; round += 1) times.push(await untilShown(page, running.base, incident, round));
  figure("change of an incident → on screen, commit included, worst of 15", Math.round(Math.max(...times)), 300, "ms");
  await browser.close();

  const result = await scores(executablePath, running.base, profile);
  for (const [name, bound] of [["performance", 95], ["accessibility", 100], ["best-practices", 100]]) figure(`Lighthouse ${result.version}, overview, ${name}`, result.desktop[name], bound, "", true);
  console.log(`page: as a phone on a slow line: ${Object.entries(result.phone).map(([name, score]) => `${name} ${score}`).join(", ")}`);
  for (const why of result.why) console.log(`page:   ${why}`);

  const tabs = await chromium.launch({ executablePath, args: QUIET });
  for (let tab = 0; tab < 3; tab += 1) await (await tabs.newPage()).goto(running.base);
  const { cores, idle, lost, events } = await crowd({ base: running.base, collector: collectorOf(running.pid), incident, browsers: 197 });
  figure("processor of the collector, 200 browsers with live streams", Number(cores.toFixed(2)), 1, "cores");
  console.log(`page: ${events} events to each of them in the meantime; the collector without them: ${idle.toFixed(2)} cores`);
  figure("updates lost on the way to them", lost, 0, "");
  await tabs.close();
} finally {
  await running.end();
  rmSync(profile, { recursive: true, force: true });
}
process.exit(worse === 0 ? 0 : 1);
