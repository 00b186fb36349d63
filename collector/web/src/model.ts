// What the page knows, and how it stays true: fetched whole at first and after every reconnect,
// kept fresh by the live stream in between.

import { useEffect, useState } from "preact/hooks";
import type { BadReading, Device, Incident, Line, LineDetail, Reading, Service } from "./api";
import * as client from "./client";
import { listen } from "./live";
import { sorted } from "./services";

/** Everything on the screen. */
export interface Model {
  /** False until the first answer: an empty list is not yet "all is well". */
  loaded: boolean;
  /** Why the last fetch failed. */
  trouble: string | null;
  /** Whether the live stream stands. */
  live: boolean;
  /** When the server was last heard, by its own clock. */
  heardAt: number;
  lines: LineDetail[];
  devices: Device[];
  /** What customers have bought, the worst first. */
  services: Service[];
  /** Open incidents, the most urgent first. */
  incidents: Incident[];
  /** The last few, open or over. */
  latest: Incident[];
  /** The number of the newest trace that was heard of. */
  latestTrace: number;
}

/** Slow things that the stream does not tell, such as a device that fell silent. */
const REFRESH_MS = 15_000;
/** Samples are taken in together: a corridor sends hundreds a second, an eye sees one picture. */
const PICTURE_MS = 1_000;
/** Several events in a row cause one fetch. */
const SETTLE_MS = 300;

const EMPTY: Model = {
  loaded: false, trouble: null, live: false, heardAt: 0, lines: [], devices: [], services: [], incidents: [], latest: [], latestTrace: 0,
};

/** The page's state, from mount to unmount. */
export function useModel(): Model {
  const [model, setModel] = useState(EMPTY);
  useEffect(() => {
    const change = (part: (model: Model) => Partial<Model>) => setModel((model) => ({ ...model, ...part(model) }));
    let settle = 0;
    const samples = new Map<string, DeviceEvent>();
    const takeIn = () => {
      if (samples.size === 0) return;
      const events = [...samples.values()];
      samples.clear();
      change((model) => ({ ...withSamples(model, events), heardAt: client.serverNow() }));
    };
    let known: LineDetail[] = [];
    const refetch = async () => {
      try {
        const fresh = await fetchAll(known);
        known = fresh.lines;
        change(() => ({ ...fresh, loaded: true, trouble: null, heardAt: client.serverNow() }));
      } catch (error) {
        change(() => ({ trouble: error instanceof Error ? error.message : String(error) }));
      }
    };
    const soon = () => {
      window.clearTimeout(settle);
      settle = window.setTimeout(refetch, SETTLE_MS);
    };
    const stop = listen({
      event(name, data) {
        if (name === "device") {
          const sample = data as DeviceEvent;
          samples.set(`${sample.id} ${sample.line}`, sample);
          return;
        }
        if (name === "trace") change(() => ({ latestTrace: (data as { id: number }).id }));
        if (name === "incident") change((model) => withIncident(model, data as Incident));
        soon();
      },
      beat: () => change(() => ({ heardAt: client.serverNow() })),
      opened() {
        change(() => ({ live: true }));
        // A collector that is back may have another plant.
        known = [];
        void refetch();
      },
      lost: () => change(() => ({ live: false })),
    });
    const timers = [window.setInterval(refetch, REFRESH_MS), window.setInterval(takeIn, PICTURE_MS)];
    void refetch();
    return () => {
      stop();
      timers.forEach((timer) => window.clearInterval(timer));
      window.clearTimeout(settle);
    };
  }, []);
  return model;
}

async function fetchAll(known: LineDetail[]) {
  const [lines, devices, services, open, latest] = await Promise.all([
    client.lines(), client.devices(), client.services(), client.openIncidents(), client.latestIncidents(),
  ]);
  const details = await Promise.all(lines.map((line) => detail(line, known)));
  return { lines: details, devices, services, incidents: sorted(open, services), latest };
}

/** A line whole. Its ground stays as it is, and its spans do while nothing is open on it. */
function detail(line: Line, known: LineDetail[]): LineDetail | Promise<LineDetail> {
  const before = known.find((other) => other.id === line.id);
  const calm = line.incidents.length === 0 && before?.incidents.length === 0;
  return before !== undefined && calm ? { ...before, ...line } : client.line(line.id);
}

const OVER = new Set(["cleared", "closed", "suspect"]);

function withIncident(model: Model, incident: Incident): Partial<Model> {
  const others = model.incidents.filter((other) => other.id !== incident.id);
  return { incidents: OVER.has(incident.state) ? others : sorted([...others, incident], model.services), heardAt: client.serverNow() };
}

interface DeviceEvent {
  id: string;
  line: string;
  at: string;
  readings: Record<string, number | "dark" | { bad: BadReading }>;
}

function withSamples(model: Model, events: DeviceEvent[]): Partial<Model> {
  const byDevice = new Map(events.map((event) => [event.id, event]));
  const devices = model.devices.map((device) => {
    const event = byDevice.get(device.id);
    if (event === undefined || isLater(device.newest, event.at)) return device;
    const readings = device.readings.map((reading) => renewed(reading, event));
    return { ...device, newest: event.at, state: "fresh" as const, readings };
  });
  const lines = model.lines.map((line) => {
    const times = events.filter((event) => event.line === line.id).map((event) => event.at);
    const newest = times.reduce((known, at) => (isLater(known, at) ? known : at), line.newest);
    return { ...line, newest };
  });
  return { devices, lines };
}

const isLater = (known: string | null, at: string) => known !== null && Date.parse(known) > Date.parse(at);

function renewed(reading: Reading, event: DeviceEvent): Reading {
  const said = event.readings[reading.point];
  if (said === undefined) return reading;
  const value = typeof said === "number" ? said : null;
  const bad = typeof said === "object" ? said.bad : null;
  return { ...reading, at: event.at, value, dark: said === "dark", bad };
}

/** The server's time, told anew every second. */
export function useNow(): number {
  const [now, setNow] = useState(client.serverNow);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(client.serverNow()), 1_000);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}

/** The incident called `id`, also where it is over: a mail may lead to it long after. */
export function useIncident(id: string | null, model: Model): Incident | null {
  const [fetched, setFetched] = useState<Incident | null>(null);
  const open = model.incidents.find((incident) => incident.id === id) ?? null;
  const wanted = open === null ? id : null;
  useEffect(() => {
    setFetched(null);
    if (wanted === null) return undefined;
    let stale = false;
    client.incident(wanted).then((incident) => stale || setFetched(incident), () => undefined);
    return () => { stale = true; };
  }, [wanted, model.latest]);
  return open ?? (fetched?.id === id ? fetched : null);
}

/** What the address names: `#/traces/17` is page `traces`, id `17`. Addresses may stand in a mail. */
export interface Route {
  page: string;
  id: string | null;
}

/** The address, and how to go elsewhere. */
export function useRoute(): [Route, (page: string, id?: string | null) => void] {
  const read = (): Route => {
    const [page, id] = window.location.hash.replace(/^#\/?/, "").split("/");
    return { page: page === undefined || page === "" ? "overview" : page, id: id === undefined || id === "" ? null : decodeURIComponent(id) };
  };
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const changed = () => setRoute(read());
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);
  return [route, (page, id = null) => { window.location.hash = id === null ? `#/${page}` : `#/${page}/${encodeURIComponent(id)}`; }];
}
