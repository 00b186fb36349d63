// A trace's curve in the browser: drawn from the coarsest level that still shows every peak, and
// measured on its samples.

import type { Levels } from "./api";

/** Stretches of one level that make one of the next. */
const STEP = 4;

/** One resolution: the lowest and the highest value of each stretch. */
interface Level {
  min: Float32Array;
  max: Float32Array;
  /** Stretches of the finest level in one of this. */
  each: number;
}

/** Equally spaced stretches over a distance, at every resolution that a screen may want. */
export interface Curve {
  first: number;
  step: number;
  /** Whether each stretch is one sample: only then may one measure. */
  exact: boolean;
  levels: Level[];
}

/** The curve of what the API gives. */
export function curve(levels: Levels): Curve {
  const min = Float32Array.from(levels.min_db);
  const max = levels.max_db.length === 0 ? min : Float32Array.from(levels.max_db);
  const all: Level[] = [{ min, max, each: 1 }];
  for (let last = all[0]; last !== undefined && last.min.length > 2 * STEP; last = all.at(-1)) all.push(coarser(last));
  return { first: levels.first_m, step: levels.step_m, exact: levels.max_db.length === 0, levels: all };
}

function coarser({ min, max, each }: Level): Level {
  const count = Math.ceil(min.length / STEP);
  const low = new Float32Array(count).fill(Infinity);
  const high = new Float32Array(count).fill(-Infinity);
  for (let at = 0; at < min.length; at += 1) {
    const to = Math.floor(at / STEP);
    low[to] = Math.min(low[to] ?? 0, min[at] ?? 0);
    high[to] = Math.max(high[to] ?? 0, max[at] ?? 0);
  }
  return { min: low, max: high, each: each * STEP };
}

/** The share of a trace's far end by which its noise is told. */
const TAIL = 0.05;
/** Noise is drawn so far down: how deep single samples fall says nothing, and a wall of it blinds. */
const BELOW_DB = 8;

/** Below this a curve is noise alone: under the peaks of its far end, where those are noise. */
export function noiseFloor({ levels }: Curve): number {
  const finest = levels[0];
  if (finest === undefined || finest.min.length === 0) return -Infinity;
  const from = Math.floor(finest.min.length * (1 - TAIL));
  const [low, high] = [finest.min.subarray(from), finest.max.subarray(from)].map((part) => part.toSorted());
  const [deepest, peak] = [low?.[0] ?? 0, high?.at(-1) ?? 0];
  return peak - deepest > 2 * BELOW_DB ? peak - BELOW_DB : -Infinity;
}

export const samples = ({ levels }: Curve) => levels[0]?.min.length ?? 0;

export const end = (curve: Curve) => curve.first + curve.step * Math.max(samples(curve) - 1, 0);

/** The lowest and highest value in each of `count` columns between two distances; NaN where the curve is not. */
export function columns(curve: Curve, from: number, to: number, count: number): { min: Float64Array; max: Float64Array } {
  const min = new Float64Array(count).fill(Number.NaN);
  const max = new Float64Array(count).fill(Number.NaN);
  const wide = (to - from) / count;
  // Stretches of a quarter column at most: a peak may look that much wider, and never vanishes.
  const fit = curve.levels.findLast((level) => level.each * curve.step * STEP <= wide) ?? curve.levels[0];
  if (fit === undefined) return { min, max };
  for (let column = 0; column < count; column += 1) {
    const first = (from + column * wide - curve.first) / curve.step;
    const last = first + wide / curve.step;
    if (last < 0 || first > samples(curve) - 1) continue;
    const lo = Math.max(Math.ceil(first), 0);
    const hi = Math.min(Math.floor(last), samples(curve) - 1);
    if (lo > hi) {
      min[column] = max[column] = between(curve, (first + last) / 2);
      continue;
    }
    let low = Infinity;
    let high = -Infinity;
    for (let at = Math.floor(lo / fit.each); at <= Math.floor(hi / fit.each); at += 1) {
      low = Math.min(low, fit.min[at] ?? low);
      high = Math.max(high, fit.max[at] ?? high);
    }
    min[column] = low;
    max[column] = high;
  }
  return { min, max };
}

/** Between two samples, on the straight line from one to the other. */
function between({ levels }: Curve, index: number): number {
  const min = levels[0]?.min ?? new Float32Array();
  const low = Math.max(Math.min(Math.floor(index), min.length - 1), 0);
  const [a, b] = [min[low] ?? Number.NaN, min[Math.min(low + 1, min.length - 1)] ?? Number.NaN];
  return a + (b - a) * Math.min(Math.max(index - low, 0), 1);
}

/** The level at a distance, in dB; nothing outside the curve. */
export function levelAt(curve: Curve, metres: number): number | null {
  const index = (metres - curve.first) / curve.step;
  return index < 0 || index > samples(curve) - 1 ? null : between(curve, index);
}

/** What two markers say of the glass between them. */
export interface Measure {
  distance_m: number;
  /** The difference of the two levels. */
  loss_db: number;
  /** The slope of the straight line that fits all samples between them best. */
  lsa_db_per_km: number | null;
  /** That slope over the distance. */
  lsa_loss_db: number | null;
}

/** Two-point and least-squares loss between two distances. */
export function measure(curve: Curve, a: number, b: number): Measure | null {
  const [from, to] = [Math.min(a, b), Math.max(a, b)];
  const [high, low] = [levelAt(curve, from), levelAt(curve, to)];
  if (high === null || low === null) return null;
  const slope = fit(curve, from, to);
  const distance = to - from;
  return {
    distance_m: distance,
    loss_db: high - low,
    lsa_db_per_km: slope === null ? null : -slope * 1_000,
    lsa_loss_db: slope === null ? null : -slope * distance,
  };
}

/** The slope in dB/m of the best straight line; nothing over fewer than three samples. */
function fit(curve: Curve, from: number, to: number): number | null {
  const values = curve.levels[0]?.min ?? new Float32Array();
  const lo = Math.max(Math.ceil((from - curve.first) / curve.step), 0);
  const hi = Math.min(Math.floor((to - curve.first) / curve.step), values.length - 1);
  const count = hi - lo + 1;
  if (count < 3 || !curve.exact) return null;
  let sum = 0;
  for (let at = lo; at <= hi; at += 1) sum += values[at] ?? 0;
  const mean = sum / count;
  const middle = (lo + hi) / 2;
  let [across, along] = [0, 0];
  for (let at = lo; at <= hi; at += 1) {
    across += (at - middle) * ((values[at] ?? 0) - mean);
    along += (at - middle) ** 2;
  }
  return across / along / curve.step;
}
