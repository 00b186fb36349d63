// A fibre's shots one below the other: what changed, where and when, is seen at a glance.

import { useEffect, useRef } from "preact/hooks";
import type { Trace } from "../../api";
import { columns, curve, end } from "../../curve";

const ROW = 12;
const WIDTH = 800;
/** A change of so many dB has the full colour. */
const FULL_DB = 2;

export function Waterfall({ traces, open }: { traces: Trace[]; open: (id: number) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shots = traces.filter((trace) => trace.levels !== null && trace.levels.min_db.length > 0);
  useEffect(() => {
    if (canvas.current !== null) paint(canvas.current, shots);
  }, [shots.map((shot) => shot.id).join()]);
  if (shots.length < 2) return null;
  const pick = (event: MouseEvent) => {
    const box = canvas.current?.getBoundingClientRect();
    const shot = box && shots[Math.floor(((event.clientY - box.top) / box.height) * shots.length)];
    if (shot) open(shot.id);
  };
  return (
    <figure class="card waterfall">
      <figcaption>
        <b>Waterfall</b> newest first, {shots.length} shots, as difference from the median of all:{" "}
        <span class="less">■ darker, light lost</span> <span class="more">□ brighter</span>, full at {FULL_DB} dB. The list beside names each shot.
      </figcaption>
      <canvas ref={canvas} onClick={pick} role="img" aria-label={`${shots.length} shots, one row each, newest at the top`} />
      <p class="dim small">{shots[0]?.at.slice(0, 16).replace("T", " ")} at the top, {shots.at(-1)?.at.slice(0, 16).replace("T", " ")} at the bottom; 0 to {(reach(shots) / 1_000).toFixed(1)} km from left to right</p>
    </figure>
  );
}

const reach = (shots: Trace[]) => Math.max(...shots.map((shot) => (shot.levels === null ? 0 : end(curve(shot.levels)))));

function paint(canvas: HTMLCanvasElement, shots: Trace[]): void {
  canvas.width = WIDTH;
  canvas.height = shots.length * ROW;
  const context = canvas.getContext("2d");
  if (context === null) return;
  const to = reach(shots);
  const rows = shots.map((shot) => (shot.levels === null ? new Float64Array(WIDTH) : columns(curve(shot.levels), 0, to, WIDTH).max));
  for (let x = 0; x < WIDTH; x += 1) {
    const column = rows.map((row) => row[x] ?? Number.NaN);
    const middle = median(column);
    column.forEach((value, row) => {
      context.fillStyle = colour(value - middle);
      context.fillRect(x, row * ROW, 1, ROW - 1);
    });
  }
}

function median(values: number[]): number {
  const known = values.filter((value) => !Number.isNaN(value)).toSorted((a, b) => a - b);
  return known[Math.floor(known.length / 2)] ?? Number.NaN;
}

/** Grey where nothing changed, red for less light, pale blue for more, black where there is nothing. */
function colour(db: number): string {
  if (Number.isNaN(db)) return "#0b0f14";
  const share = Math.min(Math.abs(db) / FULL_DB, 1);
  const mix = (from: number, into: number) => Math.round(from + (into - from) * share);
  return db < 0 ? `rgb(${mix(52, 255)} ${mix(64, 60)} ${mix(78, 50)})` : `rgb(${mix(52, 200)} ${mix(64, 230)} ${mix(78, 255)})`;
}
