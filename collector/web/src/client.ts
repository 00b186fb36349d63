// Asks the API and gives typed answers, or an error that a person can read.

import type { Device, Incident, Line, LineDetail, Problem } from "./api";

/** How long an answer may take before we say so: the store is local to the server. */
const DEADLINE_MS = 10_000;
/** No list of ours has more pages than this; a server that loops must not hang the page. */
const MAX_PAGES = 50;

interface Page<T> {
  items: T[];
  next: string | null;
}

export const lines = () => all<Line>("lines");
export const line = (id: string) => get<LineDetail>(`lines/${encodeURIComponent(id)}`);
export const devices = () => all<Device>("devices");
export const openIncidents = () => all<Incident>("incidents?state=open");
export const incident = (id: string) => get<Incident>(`incidents/${encodeURIComponent(id)}`);
export const latestIncidents = async () => (await get<Page<Incident>>("incidents?limit=5")).items;

/** Does something with an incident in the name of a person. */
export function act(id: string, action: "acknowledge" | "note" | "repairing" | "close", who: string, text: string) {
  const body = JSON.stringify(text === "" ? { who } : { who, text });
  const headers = { "content-type": "application/json" };
  return ask<Incident>(`incidents/${encodeURIComponent(id)}/${action}`, { method: "POST", headers, body });
}

async function all<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let next: string | null = null;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const cursor: string = next === null ? "" : `${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(next)}`;
    const answer: Page<T> = await get<Page<T>>(path + cursor);
    items.push(...answer.items);
    next = answer.next;
    if (next === null) return items;
  }
  return items;
}

const get = <T>(path: string) => ask<T>(path, {});

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(`/api/v1/${path}`, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) }).catch(unreached);
  heard(response.headers.get("date"));
  if (!response.ok) throw new Error(await complaint(response));
  return (await response.json()) as T;
}

/** Browsers say "signal timed out" or "Failed to fetch", which helps nobody at night. */
function unreached(error: unknown): never {
  const late = error instanceof DOMException && error.name === "TimeoutError";
  throw new Error(late ? `the collector has not answered for ${DEADLINE_MS / 1_000} s` : "the collector cannot be reached");
}

async function complaint(response: Response): Promise<string> {
  try {
    const problem = (await response.json()) as Problem;
    return problem.detail || problem.title;
  } catch {
    return `the server answered ${response.status}`;
  }
}

let ahead = 0;

/** The server's time now: ages are told by its clock, for a NOC's screens may be minutes off. */
export function serverNow(): number {
  return Date.now() + ahead;
}

/** Takes a time that the server has just told. */
export function heard(stamp: string | null): void {
  const told = stamp === null ? Number.NaN : Date.parse(stamp);
  // A `Date` header counts whole seconds, so smaller differences are not the clock's.
  if (Number.isFinite(told) && Math.abs(told - serverNow()) > 1_500) ahead = told - Date.now();
}
