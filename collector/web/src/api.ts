// Made by `npm run types` from openapi.json. Do not edit.

export type Severity = "critical" | "major" | "minor" | "warning";
export type LineState = "critical" | "major" | "minor" | "warning" | "well" | "no_data";
export type IncidentState = "suspect" | "open" | "acknowledged" | "repairing" | "cleared" | "closed";
export type DeviceState = "fresh" | "stale" | "silent" | "never";

export interface Line {
  id: string; name: string; kind: "submarine" | "terrestrial"; a: string; b: string; length_m: number;
  state: LineState; incidents: string[]; newest: string | null; devices: number; silent: number;
}
export interface Node {
  id: string; name: string; kind: string; chainage_m: number; site: string | null; lat: number | null; lon: number | null;
}
export interface Span { id: string; from: string; to: string; from_m: number; to_m: number; state: LineState }
export interface Landmark { name: string; kind: string; chainage_m: number; plus_minus_m: number; lat: number | null; lon: number | null }
export interface Post { name: string; chainage_m: number }
export interface LineDetail extends Line { route: [number, number, number][]; nodes: Node[]; spans: Span[]; landmarks: Landmark[]; posts: Post[] }

export interface Reading { point: string; at: string; age_s: number; value: number | null; dark: boolean; bad: string | null; unit: string; role: string }
export interface Device {
  id: string; site: string; device: string; lines: string[]; profile: string | null; vendor: string | null; model: string | null;
  serial: string | null; poll_ms: number | null; state: DeviceState; newest: string | null; age_s: number | null; readings: Reading[];
}

export interface Offset { landmark: string; offset_m: number }
export interface Candidate { chainage_m: number; interval95_m: [number, number]; weight: number; sources: string[] }
export interface Source { id: string; kind: string; weight: number; alone_m: number | null; plus_minus_m: number | null }
export interface Place {
  line: string; where: "span" | "node" | "site" | "unknown"; span: string | null; node: string | null; chainage_m: number | null;
  interval50_m: [number, number] | null; interval95_m: [number, number] | null; candidates: Candidate[]; extent_m: number | null;
  unseen_m: [number, number][]; lat: number | null; lon: number | null; before: Offset | null; after: Offset | null; post: string | null;
  depth_m: number | null; consistent: boolean; chi2_p: number | null; closure_m: number | null; sources: Source[]; fibres_dark: number;
  fibres_watched: number; plant: string; notes: string[];
}
export interface HistoryEntry { at: string; who: string; what: string }
export interface Anomaly {
  id: string; line: string; device: string; point: string | null; kind: string; from: string; to: string | null;
  raised: string; severity: Severity; detail: string;
}
export interface Incident {
  id: string; lines: string[]; related: string[]; cause: string; state: IncidentState; severity: Severity;
  kind: "break" | "degradation" | "equipment" | "power_feed" | "environment" | "agent"; opened: string; updated: string; cleared: string | null;
  headline: string; place: Place; evidence: Record<string, unknown>[]; anomalies: Anomaly[]; affected: string[]; history: HistoryEntry[];
}
export interface Problem { type: string; title: string; status: number; detail: string }
