// Quantities as people read them: every number with its unit, every time with its age.

import type { Life, LineState, Node, Place, Severity } from "./api";

/** A sign, a word and a rank for each state: colour is never the only sign. */
export const STATES: Record<LineState, { sign: string; word: string; rank: number }> = {
  critical: { sign: "✖", word: "critical", rank: 0 },
  major: { sign: "▲", word: "major", rank: 1 },
  minor: { sign: "■", word: "minor", rank: 2 },
  warning: { sign: "●", word: "warning", rank: 3 },
  no_data: { sign: "?", word: "no data", rank: 4 },
  well: { sign: "✓", word: "well", rank: 5 },
};

export const rank = (severity: Severity) => STATES[severity].rank;

const LIVES: Record<Life, string> = {
  suspect: "suspected",
  open: "open",
  acknowledged: "acknowledged",
  repairing: "under repair",
  cleared: "cleared",
  closed: "closed",
};

export const life = (state: Life) => LIVES[state];

/** Seconds as the two largest units: `4 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  if (s < 3_600) return `${Math.round(s / 60)} min`;
  if (s < 86_400) return `${Math.floor(s / 3_600)} h ${Math.floor((s % 3_600) / 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3_600)} h`;
}

/** How long before `now` the stamp is; `null` for none. */
export function ageSeconds(stamp: string | null, now: number): number | null {
  return stamp === null ? null : Math.max(0, (now - Date.parse(stamp)) / 1_000);
}

export const ago = (stamp: string | null, now: number) => {
  const age = ageSeconds(stamp, now);
  return age === null ? "never" : `${duration(age)} ago`;
};

/** `21:04:09` of today, `20 Nov 21:04:09` of another day; always UTC. */
export function clock(stamp: string | number, now: number): string {
  const at = new Date(stamp);
  const time = at.toISOString().slice(11, 19);
  if (at.toISOString().slice(0, 10) === new Date(now).toISOString().slice(0, 10)) return time;
  const day = at.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  return `${day} ${time}`;
}

/** A chainage: `km 214.372`. */
export const chainage = (metres: number, digits = 3) => `km ${(metres / 1_000).toFixed(digits)}`;

/** A length: metres below a kilometre, kilometres above. */
export function length(metres: number): string {
  const size = Math.abs(metres);
  if (size < 1_000) return `${metres.toFixed(0)} m`;
  return `${(metres / 1_000).toFixed(size < 10_000 ? 2 : 1)} km`;
}

/** Half the width of an interval around `at`: the longer side, so that nothing is promised away. */
export function plusMinus(at: number, [lo, hi]: [number, number]): number {
  return Math.max(at - lo, hi - at, 0);
}

/** Where in the words of the ground: past or short of a landmark. */
export function offset(landmark: string, metres: number): string {
  const size = length(Math.abs(metres));
  return metres < 0 ? `${size} before ${landmark}` : `${size} past ${landmark}`;
}

/** The shortest honest answer to "where?"; `nodes` are those of its line. */
export function placeInShort(place: Place, nodes: Node[] = []): string {
  if (place.where === "unknown") return "place not known";
  if (place.node !== null) return `at ${nodeName(place.node, nodes)}`;
  if (place.chainage_m !== null && place.interval95_m !== null) {
    return `${chainage(place.chainage_m)} ± ${length(plusMinus(place.chainage_m, place.interval95_m))}`;
  }
  return place.span === null ? "place not known" : `span ${spanName(place.span, nodes)}`;
}

/** A span by what people call its nodes, where `nodes` knows them. */
export function spanName(span: string, nodes: Node[] = []): string {
  return span.split("..").map((id) => nodeName(id, nodes)).join(" – ");
}

const nodeName = (id: string, nodes: Node[]) => nodes.find((node) => node.id === id)?.name ?? id;

/** What stands beside a fault's sign: its node or its chainage. */
export function placeLabel(place: Place, nodes: Node[]): string {
  if (place.node !== null) return nodeName(place.node, nodes);
  return place.chainage_m === null ? "" : chainage(place.chainage_m);
}

/** Coordinates as a crew types them into a phone. */
export const coordinates = (lat: number, lon: number) => `${lat.toFixed(5)}, ${lon.toFixed(5)}`;

/** Words of the wire as words of a sentence: `light_lost` is `light lost`. */
export const words = (name: string) => name.replaceAll("_", " ");

/** A distance along the glass, to what an OTDR resolves. */
export const metres = (value: number) => (Math.abs(value) < 10_000 ? `${value.toFixed(1)} m` : `${(value / 1_000).toFixed(4)} km`);

/** A loss or level; a dash where nobody knows. */
export const decibels = (value: number | null, digits = 3) => (value === null ? "–" : `${value.toFixed(digits)} dB`);

/** A unit as people write it: the wire knows plain letters alone. */
export const unitName = (unit: string) => (unit === "C" ? "°C" : unit);
