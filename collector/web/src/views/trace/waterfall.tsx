// A fibre's shots one below the other: what changed, where and when, is seen at a glance.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Trace } from "../../api";
import * as client from "../../client";
import { columns, curve, end } from "../../curve";

const ROW = 12;
const WIDTH = 800;
/** A change of so many dB has the full colour. */
const FULL_DB = 2;
/** Rows: more would be thinner than a finger, and each costs the server a look at a file. */
const MOST = 60;
const POINTS = 800;
/** Times beside the rows. */
const STAMPS = 6;
const PERIODS = [["latest shots", 0], ["1 day", 1], ["1 week", 7], ["4 weeks", 28], ["12 weeks", 84]] as const;

interface Props {
  view: string;
  /** The latest shots with their curves. */
  traces: Trace[];
  open: (id: number) => void;
}

export function Waterfall({ view, traces, open }: Props) {
  const [days, setDays] = useState(0);
  const [past, setPast] = useState<Trace[] | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    setPast(null);
    setSaid(null);
    if (days === 0) return undefined;
    let stale = false;
    client.tracesOver(view, days, MOST, POINTS).then(
      (found) => { if (!stale) setPast(found); },
      (error: Error) => stale || setSaid(error.message),
    );
    return () => { stale = true; };
  }, [view, days]);
  const all = days === 0 ? traces : past ?? [];
  const shots = all.filter((trace) => trace.levels !== null && trace.levels.min_db.length > 0);
  const waiting = days > 0 && past === null && said === null;
  return (
    <figure class="card waterfall">
      <figcaption>
        <p class="tools">
          <b>Waterfall</b>
          {PERIODS.map(([name, period]) => <button aria-pressed={days === period} onClick={() => setDays(period)}>{name}</button>)}
          <span class="dim">{waiting ? "Looking at the shots…" : `${shots.length} shots, newest at the top, evenly over the time`}</span>
        </p>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
        <p class="dim small">Each row is the difference from the median of all: <span class="less">■ light lost</span>, <span class="more">□ more light</span>, full at {FULL_DB} dB. A click opens the shot.</p>
      </figcaption>
      {shots.length >= 2 ? <Rows shots={shots} open={open} /> : !waiting && <p class="dim">A waterfall wants two shots; {shots.length === 0 ? "none is" : "one is"} stored of this time.</p>}
    </figure>
  );
}

function Rows({ shots, open }: { shots: Trace[]; open: (id: number) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState("Point at a place to read it.");
  const ids = shots.map((shot) => shot.id).join();
  const to = reach(shots);
  const levels = useRef<number[][]>([]);
  useEffect(() => {
    if (canvas.current !== null) levels.current = paint(canvas.current, shots, to);
  }, [ids]);
  const under = (event: MouseEvent) => {
    const box = canvas.current?.getBoundingClientRect();
    if (box === undefined) return null;
    const row = Math.floor(((event.clientY - box.top) / box.height) * shots.length);
    const shot = shots[row];
    return shot === undefined ? null : { shot, row, share: (event.clientX - box.left) / box.width };
  };
  const read = (event: MouseEvent) => {
    const found = under(event);
    if (found === null) return;
    const change = levels.current[found.row]?.[Math.floor(found.share * WIDTH)];
    const db = change === undefined || Number.isNaN(change) ? "no light" : `${change >= 0 ? "+" : ""}${change.toFixed(2)} dB`;
    setAt(`${stamp(found.shot)} UTC, ${((found.share * to) / 1_000).toFixed(2)} km of glass: ${db}`);
  };
  const step = Math.max(1, Math.floor((shots.length - 1) / (STAMPS - 1)));
  const stamps = shots.filter((_, row) => row % step === 0);
  return (
    <>
      <div class="rows">
        <ol class="dim small" aria-label="when">{stamps.map((shot) => <li key={shot.id}>{stamp(shot)}</li>)}</ol>
        <canvas
          ref={canvas} onClick={(event) => { const found = under(event); if (found !== null) open(found.shot.id); }} onMouseMove={read}
          role="img" aria-label={`${shots.length} shots, one row each, newest at the top`}
        />
      </div>
      <p class="dim small"><output>{at}</output> <span class="right">0 to {(to / 1_000).toFixed(1)} km of glass</span></p>
    </>
  );
}

const stamp = (shot: Trace) => shot.at.slice(0, 16).replace("T", " ");

const reach = (shots: Trace[]) => Math.max(...shots.map((shot) => (shot.levels === null ? 0 : end(curve(shot.levels)))));

/** Draws every row; the differences that it drew, by row and column. */
function paint(canvas: HTMLCanvasElement, shots: Trace[], to: number): number[][] {
  canvas.width = WIDTH;
  canvas.height = shots.length * ROW;
  const context = canvas.getContext("2d");
  const rows = shots.map((shot) => (shot.levels === null ? new Float64Array(WIDTH) : columns(curve(shot.levels), 0, to, WIDTH).max));
  const differences = rows.map(() => new Array<number>(WIDTH).fill(Number.NaN));
  for (let x = 0; x < WIDTH; x += 1) {
    const column = rows.map((row) => row[x] ?? Number.NaN);
    const middle = median(column);
    column.forEach((value, row) => {
      const drawn = differences[row];
      if (drawn !== undefined) drawn[x] = value - middle;
      if (context === null) return;
      context.fillStyle = colour(value - middle);
      context.fillRect(x, row * ROW, 1, ROW - 1);
    });
  }
  return differences;
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
