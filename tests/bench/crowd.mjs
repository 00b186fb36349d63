// Many browsers at once, as far as a collector can tell: each holds a live stream, fetches everything
// when the stream opens, again when an event says that something changed, and every 15 s, as the page does.

import { readFileSync } from "node:fs";
import { Agent, get } from "node:http";

const SECONDS = 30;
const REFRESH_MS = 15_000;
const SETTLE_MS = 300;
const NOTES = 5;
/** Ticks of a processor's clock a second, as /proc counts them. */
const TICKS = 100;

/** Processor seconds that a process has used. */
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function cores(pid, seconds, work = pause(seconds * 1_000)) {
  const [from, at] = [used(pid), performance.now()];
  await work;
  return (used(pid) - from) / ((performance.now() - at) / 1_000);
}

/** One browser. */
class Browser {
  numbers = [];
  notes = new Set();
  refetches = 0;
  fetched = 0;
  #timers = [];
  #agent = new Agent({ keepAlive: true, maxSockets: 6 });

  constructor(base, lines) {
    this.base = base;
    this.lines = lines;
  }

  open() {
    return new Promise((done, fail) => {
      this.request = get(new URL("/api/v1/live", this.base), { agent: false }, (answer) => {
        let held = "";
        answer.setEncoding("utf8");
        answer.on("data", (text) => {
          held += text;
          const blocks = held.split("\n\n");
          held = blocks.pop();
          blocks.forEach((block) => this.#take(block));
        });
        answer.on("error", () => undefined);
        this.#timers.push(setInterval(() => this.#fetchAll(), REFRESH_MS));
        this.#fetchAll();
        done();
      }).on("error", fail);
    });
  }

  #take(block) {
    const name = /^event: (.*)$/m.exec(block)?.[1];
    const number = /^id: \d+-(\d+)$/m.exec(block)?.[1];
    if (number !== undefined) this.numbers.push(Number(number));
    if (name === "refetch") this.refetches += 1;
    if (name === "incident") for (const [note] of block.matchAll(/crowd note \d+/g)) this.notes.add(note);
    if (name !== "device" && name !== "beat" && name !== undefined) {
      clearTimeout(this.settle);
      this.settle = setTimeout(() => this.#fetchAll(), SETTLE_MS);
    }
  }

  #fetchAll() {
    for (const path of ["lines", "devices", "incidents?state=open", "incidents?limit=5", ...this.lines.map((line) => `lines/${line}`)]) {
      const headers = { "accept-encoding": "gzip" };
      get(new URL(`/api/v1/${path}`, this.base), { agent: this.#agent, headers }, (answer) => answer.resume().on("end", () => { this.fetched += 1; })).on("error", () => undefined);
    }
  }

  close() {
    this.request.on("error", () => undefined);
    this.request.destroy();
    clearTimeout(this.settle);
    this.#timers.forEach((timer) => clearInterval(timer));
    this.#agent.destroy();
  }

  /** Updates that did not come. */
  get lost() {
    const gaps = this.numbers.filter((number, at) => at > 0 && number !== this.numbers[at - 1] + 1).length;
    return gaps + this.refetches + (NOTES - this.notes.size);
  }
}

/** What `browsers` of them cost the collector, and what they missed. */
export async function crowd({ base, collector, incident, browsers }) {
  const idle = await cores(collector, 5);
  const { items } = await (await fetch(new URL("/api/v1/lines", base))).json();
  const all = Array.from({ length: browsers }, () => new Browser(base, items.map(({ id }) => id)));
  for (const browser of all) {
    await browser.open();
    // People do not all come in the same moment, and pages that did would stay in step.
    await pause(REFRESH_MS / browsers / 2);
  }
  const noted = (async () => {
    for (let note = 0; note < NOTES; note += 1) {
      await pause((SECONDS * 1_000) / (NOTES + 1));
      const body = JSON.stringify({ who: "bench", text: `crowd note ${note}` });
      await fetch(new URL(`/api/v1/incidents/${incident}/note`, base), { method: "POST", headers: { "content-type": "application/json" }, body });
    }
    await pause((SECONDS * 1_000) / (NOTES + 1));
  })();
  const busy = await cores(collector, SECONDS, noted);
  all.forEach((browser) => browser.close());
  const lost = all.reduce((sum, browser) => sum + browser.lost, 0);
  const events = Math.min(...all.map(({ numbers }) => numbers.length));
  return { cores: busy, idle, lost, events };
}
