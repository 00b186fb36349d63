// What `trace --json` says of a file; the API hands it on as it is.

import type { Place } from "./api";

/** One event on the fibre. */
export interface TraceEvent {
  at_m: number;
  from_panel_m: number;
  plus_minus_m: number;
  kind: string;
  loss_db: number | null;
  loss_plus_minus_db: number | null;
  reflectance_db: number | null;
  slope_before_db_per_km: number | null;
  saturated: boolean;
}

/** The parts that the page shows. */
export interface Report {
  format: string;
  supplier: string;
  model: string;
  taken: string | null;
  wavelength_nm: number | null;
  pulse_ns: number;
  group_index: number;
  sample_spacing_m: number;
  samples: number;
  end_of_fibre: { at_m: number; plus_minus_m: number; kind: string } | null;
  total_loss_db: number | null;
  orl_db: number | null;
  events: TraceEvent[];
  changes?: { kind: string; at_m: number; plus_minus_m: number; delta_db: number }[];
  place?: Place | null;
  warnings: string[];
}

/** The report in an answer, where there is one. */
export function reportOf(analysis: unknown): Report | null {
  const known = analysis as Partial<Report> | null;
  if (known === null || typeof known.samples !== "number") return null;
  // What an engine keeps of a shot has no list of events.
  return { ...known, events: known.events ?? [], warnings: known.warnings ?? [] } as Report;
}
