// Asks the API and gives typed answers, or an error that a person can read.

import type { Anomaly, AskedCommand, Device, FibreHistory, Incident, Line, LineDetail, Look, MonthReport, Performance, Problem, Series, Service, Trace } from "./api";

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
export const services = () => all<Service>("services");
export const servicesOf = async (id: string) => (await get<Page<Service>>(`incidents/${encodeURIComponent(id)}/services`)).items;
export const latestIncidents = async () => (await get<Page<Incident>>("incidents?limit=8")).items;

/** What comes with it. */
export type Said = Record<string, string | number | object | null>;

/** What a person may do with an incident. */
export type Action = "acknowledge" | "assign" | "note" | "repairing" | "shelve" | "close";

/** Does something with an incident in the name of a person; empty texts are left out. */
export function act(id: string, action: Action, body: Said) {
  const said = Object.entries(body).filter(([, value]) => value !== "" && value !== null);
  return send<Incident>(`incidents/${encodeURIComponent(id)}/${action}`, "POST", Object.fromEntries(said));
}

/** Shots of a view, newest first, with their curves where `points` are asked for. */
export async function traces(view: string | null, limit: number, points: number | null): Promise<Trace[]> {
  return (await get<Page<Trace>>(`traces?${query({ view, limit, points })}`)).items;
}

/** Shots of a view over the last `days`, evenly, newest first, with their curves: at most `most`. */
export async function tracesOver(view: string, days: number, most: number, points: number): Promise<Trace[]> {
  const since = serverNow() - days * 86_400_000;
  const listed: Trace[] = [];
  let cursor: string | null = null;
  // Years of a busy instrument: what is older than the time asked for ends the search.
  for (let page = 0; page < 20; page += 1) {
    const answer: Page<Trace> = await get<Page<Trace>>(`traces?${query({ view, limit: 1_000, cursor })}`);
    listed.push(...answer.items.filter((trace) => Date.parse(trace.at) >= since));
    cursor = answer.next;
    if (cursor === null || answer.items.every((trace) => Date.parse(trace.at) < since)) break;
  }
  return Promise.all(evenly(listed, most).map((chosen) => trace(chosen.id, points)));
}

/** At most `most` of the shots, newest first, evenly over the time between the first and the last. */
export function evenly(shots: Trace[], most: number): Trace[] {
  const sorted = shots.toSorted((a, b) => b.at.localeCompare(a.at));
  const [newest, oldest] = [sorted[0], sorted.at(-1)];
  if (newest === undefined || oldest === undefined || sorted.length <= most) return sorted;
  const [to, from] = [Date.parse(newest.at), Date.parse(oldest.at)];
  const due = (number: number) => to - (number * (to - from)) / (most - 1);
  const chosen = Array.from({ length: most }, (_, number) => sorted.find((shot) => Date.parse(shot.at) <= due(number)) ?? oldest);
  return [...new Set(chosen)];
}

/** One shot with its curve. */
export const trace = (id: number, points: number) => get<Trace>(`traces/${id}?points=${points}`);

/** Looks at a file without storing it; `known` says where it was shot. */
export function look(file: Blob, known: Record<string, string | number>) {
  const headers = { "content-type": "application/octet-stream" };
  return ask<Look>(`traces?${query({ points: 20_000, ...known })}`, { method: "POST", headers: own(headers), body: file });
}

/** Asks the agents of a view's site for a shot; the answer, if it comes within seconds. */
export const shoot = (view: string) => send<AskedCommand>("commands", "POST", { do: "shot", view });

/** The past of one point, in bins where a resolution is given. */
export const series = (device: string, asked: Record<string, string>) =>
  get<Series>(`devices/${encodeURIComponent(device)}/series?${query(asked)}`);

/** A month, `2026-11`. */
export const month = (name: string) => get<MonthReport>(`reports/${name}`);

/** A view's fibre over time. */
export const fibre = (view: string) => get<FibreHistory>(`views/${encodeURIComponent(view)}/history`);

/** A point in intervals of `15min` or `24h`. */
export const performance = (device: string, point: string, interval: string) =>
  get<Performance>(`devices/${encodeURIComponent(device)}/performance?${query({ point, interval })}`);

/** What was found on a point since a time. */
export const anomalies = (device: string, point: string, from: string) => all<Anomaly>(`anomalies?${query({ device, point, from })}`);

/** Sends JSON. */
export function send<T>(path: string, method: string, body: unknown): Promise<T> {
  const headers = own({ "content-type": "application/json" });
  return ask<T>(path, { method, headers, body: JSON.stringify(body) });
}

/** Headers that only a page of ours can set: a form elsewhere cannot act in our name. */
const own = (headers: Record<string, string>) => ({ ...headers, "x-silkline": "page" });

export function query(parts: Record<string, string | number | null>): string {
  const said = Object.entries(parts).filter(([, value]) => value !== null);
  return new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
}

export async function all<T>(path: string): Promise<T[]> {
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

export const get = <T>(path: string) => ask<T>(path, {});

async function ask<T>(path: string, init: RequestInit): Promise<T> {
  const response = await fetch(`/api/v1/${path}`, { ...init, signal: AbortSignal.timeout(DEADLINE_MS) }).catch(unreached);
  heard(response.headers.get("date"));
  if (response.status === 401) signInWanted();
  if (!response.ok) throw new Error(await complaint(response));
  return (response.status === 204 ? null : await response.json()) as T;
}

let asked = () => undefined as unknown;

/** Calls `then` whenever the server wants somebody to sign in. */
export function onSignIn(then: () => void): void {
  asked = then;
}

function signInWanted(): void {
  asked();
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
