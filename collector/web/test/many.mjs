// A network larger than any that we know: 50 lines with 1,000 devices, made up by a small server that
// speaks the API, panned and looked at in a real browser:
//   node many.mjs [PICTURE.png]
// Says how much script a frame costs while the map is dragged and samples stream in. Exit code 0 where
// it is at most 16 ms, 1 where not, 77 where there is no chromium or no built page.

import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { inBrowser } from "./browser.mjs";

const LINES = 50;
const DEVICES = 1_000;
const SPANS = 20;
const LANDMARKS = 200;
/** Devices that say something each second. */
const SAMPLES_PER_S = 200;
const FRAME_MS = 16;
const FRAMES = 60;
const dist = new URL("../dist/", import.meta.url);
if (!existsSync(new URL("index.html", dist))) {
  console.log("skipped: the page was not built");
  process.exit(77);
}

/** Even numbers from 0 to 1, the same each time. */
function chance(seed) {
  let state = Math.imul(seed, 2_654_435_761) >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A line that wanders from west to east, with huts, closures and now and then something wrong. */
function line(number) {
  const next = chance(number + 1);
  const [lat, lon, length] = [38 + next() * 8, 40 + next() * 12, 200_000 + next() * 600_000];
  const route = Array.from({ length: 120 }, (_, at) => [lat + Math.sin(at / 9 + number) * 0.2 + next() * 0.02, lon + at * 0.06, (at / 119) * length]);
  const place = (share) => route[Math.round(share * 119)];
  const nodes = Array.from({ length: SPANS + 1 }, (_, at) => ({
    id: `n${at}`, name: `Hut ${number}-${at}`, kind: at === 0 || at === SPANS ? "terminal" : "ila",
    chainage_m: (at / SPANS) * length, site: `s${number}-${at}`, lat: place(at / SPANS)[0], lon: place(at / SPANS)[1],
  }));
  const bad = number % 10 === 0 ? Math.floor(next() * SPANS) : -1;
  const spans = nodes.slice(1).map((to, at) => ({
    id: `n${at}..n${at + 1}`, from: `n${at}`, to: to.id, from_m: nodes[at].chainage_m, to_m: to.chainage_m, state: at === bad ? "critical" : "well",
  }));
  const landmarks = Array.from({ length: LANDMARKS }, (_, at) => {
    const share = (at + 0.5) / LANDMARKS;
    return { name: `closure ${at}`, kind: "closure", chainage_m: share * length, plus_minus_m: 10, lat: place(share)[0], lon: place(share)[1] };
  });
  return {
    id: `line-${number}`, name: `Line ${number}`, kind: "terrestrial", a: `s${number}-0`, b: `s${number}-${SPANS}`, length_m: length,
    state: bad < 0 ? "well" : "critical", incidents: bad < 0 ? [] : [`i-${number}`], newest: new Date().toISOString(), devices: DEVICES / LINES, silent: 0,
    route, nodes, spans, landmarks, posts: [], views: [],
  };
}

function device(number) {
  const of = number % LINES;
  const id = `s${of}-${Math.floor(number / LINES) % (SPANS + 1)}.edfa-${number}`;
  const reading = (point) => ({ point, at: new Date().toISOString(), age_s: 1, value: -20, dark: false, bad: null, unit: "dBm", role: "light_in", low: null, high: null });
  return {
    id, site: id.split(".")[0], device: id.split(".")[1], lines: [`line-${of}`], model: "EDFA", vendor: "silkline", serial: null, profile: "edfa",
    poll_ms: 5_000, newest: new Date().toISOString(), age_s: 1, state: "fresh", readings: ["in_power.1", "out_power.1", "pump_bias.1", "temperature"].map(reading),
  };
}

function incident(of) {
  const span = of.spans.find((one) => one.state === "critical");
  const at = (span.from_m + span.to_m) / 2;
  const spot = of.route.find((vertex) => vertex[2] >= at);
  const place = {
    line: of.id, where: "span", span: span.id, node: null, chainage_m: at, interval50_m: [at - 5, at + 5], interval95_m: [at - 12, at + 12], candidates: [],
    extent_m: null, unseen_m: [], lat: spot[0], lon: spot[1], before: null, after: null, post: null, depth_m: null, consistent: true, chi2_p: null,
    closure_m: null, sources: [], fibres_dark: 2, fibres_watched: 2, plant: "", notes: [],
  };
  const opened = new Date(Date.now() - 600_000).toISOString();
  return {
    id: of.incidents[0], lines: [of.id], related: [], cause: "fibre parted", state: "open", severity: "critical", kind: "break", opened, updated: opened,
    cleared: null, headline: `break on ${of.name}`, place, evidence: [], anomalies: [], affected: [], permits: [], found: null, history: [],
  };
}

const lines = Array.from({ length: LINES }, (_, number) => line(number));
const devices = Array.from({ length: DEVICES }, (_, number) => device(number));
const incidents = lines.filter((one) => one.incidents.length > 0).map(incident);
const page = (items) => ({ items, next: null });

function answer(path) {
  if (path === "lines") return page(lines.map(({ route, nodes, spans, landmarks, posts, views, ...short }) => short));
  if (path.startsWith("lines/")) return lines.find((one) => one.id === path.slice(6));
  if (path === "devices") return page(devices);
  if (path.startsWith("incidents/")) return incidents.find((one) => one.id === path.slice(10));
  if (path === "incidents") return page(incidents);
  if (path === "session") return { open: true, user: null, role: "admin", lines: null, may_act: true };
  return page([]);
}

function stream(response) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  let next = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    let text = ticks % 50 !== 1 ? "" : `event: beat\ndata: ${JSON.stringify({ now: new Date().toISOString() })}\n\n`;
    for (let one = 0; one < SAMPLES_PER_S / 10; one += 1) {
      const { id, lines: [of] } = devices[next % DEVICES];
      const said = { id, line: of, at: new Date().toISOString(), readings: { "in_power.1": -20 - (next % 7) / 10 } };
      text += `event: device\ndata: ${JSON.stringify(said)}\n\n`;
      next += 1;
    }
    response.write(text);
  }, 100);
  response.on("close", () => clearInterval(timer));
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png" };
const server = createServer((request, response) => {
  const path = new URL(request.url, "http://page").pathname;
  if (path === "/api/v1/live") return stream(response);
  if (path.startsWith("/api/v1/")) {
    response.writeHead(200, { "content-type": "application/json" });
    return response.end(JSON.stringify(answer(path.slice(8))));
  }
  const file = new URL(path === "/" ? "index.html" : path.slice(1), dist);
  if (!file.href.startsWith(dist.href) || !existsSync(file)) return response.writeHead(404).end();
  response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "text/plain" });
  return response.end(readFileSync(file));
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const base = `http://127.0.0.1:${server.address().port}/`;
await inBrowser(base, async ({ open, complain }) => {
  const shown = await open("/");
  await shown.waitForSelector("[data-land=drawn]");
  await shown.waitForFunction((count) => document.querySelectorAll("[data-line]").length === count, LINES);
  const metrics = await shown.context().newCDPSession(shown);
  await metrics.send("Performance.enable");
  const script = async () => {
    const told = (await metrics.send("Performance.getMetrics")).metrics;
    const of = (name) => told.find((one) => one.name === name).value * 1_000;
    return { script: of("ScriptDuration"), layout: of("LayoutDuration") + of("RecalcStyleDuration") };
  };
  const frame = () => shown.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  const box = await shown.locator(".leaflet").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await shown.mouse.move(x, y);
  await shown.mouse.down();
  const frames = [];
  let before = await script();
  for (let at = 1; at <= FRAMES; at += 1) {
    await shown.mouse.move(x + 150 * Math.sin(at / 6), y + 80 * Math.cos(at / 6));
    await frame();
    const after = await script();
    frames.push({ script: after.script - before.script, layout: after.layout - before.layout });
    before = after;
  }
  await shown.mouse.up();
  await frame();
  const last = await script();
  const sorted = frames.map((one) => one.script).toSorted((a, b) => a - b);
  const [usual, slow, worst] = [0.5, 0.95, 1].map((share) => sorted[Math.ceil(share * FRAMES) - 1].toFixed(1));
  const drop = (last.script - before.script).toFixed(1);
  console.log(`${DEVICES} devices, ${LINES} lines: ${usual} ms of script a frame while panning, ${slow} ms for the 95th of a hundred, ${worst} ms at worst, ${drop} ms when the map is let go`);
  if (!(Number(usual) <= FRAME_MS)) complain(`a frame takes ${usual} ms of script`);
  if (process.argv[2] !== undefined) await shown.screenshot({ path: process.argv[2] });
});
