// Points over time: the mean as a line inside its lowest and highest, so that no peak is hidden.

import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Anomaly, Bin, Series } from "../api";
import * as client from "../client";
import { words } from "../format";

/** A point that is charted. */
export interface Chosen {
  device: string;
  point: string;
  unit: string;
  limits: number[];
}

const HOUR = 3_600;
const SPANS: [string, number][] = [["1 h", HOUR], ["6 h", 6 * HOUR], ["24 h", 24 * HOUR], ["7 d", 168 * HOUR], ["30 d", 720 * HOUR]];
/** Bins across the chart: one for each pixel column, about. */
const BINS = 1_000;
/** See `binSeconds`. */
const COUNTED = 600;
const HEIGHT = 320;
const REFRESH_MS = 30_000;
const PENS = ["#7cc7ff", "#ff9d3c", "#7bd88f", "#b39ddb", "#f28b82", "#e6c84f"];

interface Drawn {
  series: Series[];
  anomalies: Anomaly[];
}

export function Chart({ chosen, drop }: { chosen: Chosen[]; drop: (one: Chosen) => void }) {
  const [seconds, setSeconds] = useState(HOUR);
  const { drawn, said, asked } = useDrawn(chosen, seconds);
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (element.current === null || drawn === null) return undefined;
    const plot = make(element.current, drawn, chosen);
    const resized = new ResizeObserver(([entry]) => plot.setSize({ width: entry?.contentRect.width ?? 600, height: HEIGHT }));
    resized.observe(element.current);
    return () => { resized.disconnect(); plot.destroy(); };
  }, [drawn]);
  return (
    <section class="card chart" data-drawn={drawn === null ? "" : chosen.map((one) => one.point).join()}>
      <p class="tools">
        {SPANS.map(([name, span]) => <button aria-pressed={span === seconds} onClick={() => setSeconds(span)}>{name}</button>)}
        <span class="right dim">{drawn !== null && `bins of ${drawn.series[0]?.resolution_s ?? "?"} s, answered in ${asked.toFixed(0)} ms`}</span>
      </p>
      <div ref={element} class="plot" role="img" aria-label={`chart of ${chosen.map((one) => `${one.device} ${one.point}`).join(", ")}; the points' newest values stand in the table`} />
      <ul class="legend">
        {chosen.map((one, at) => (
          <li>
            <svg width="10" height="10" aria-hidden="true"><rect width="10" height="10" fill={PENS[at]} /></svg> {one.device} {one.point} {one.unit && `(${one.unit})`}{" "}
            <a href={table(one, seconds)} download>CSV</a> <button onClick={() => drop(one)} aria-label={`take ${one.point} away`}>✕</button>
          </li>
        ))}
      </ul>
      {said !== null && <p class="warn" role="alert">▲ {said}</p>}
      {drawn !== null && drawn.anomalies.length > 0 && (
        <details><summary>{drawn.anomalies.length} finding{drawn.anomalies.length === 1 ? "" : "s"} in this time, shaded above</summary>
          <ul>{drawn.anomalies.map((one) => <li><time>{one.from.slice(0, 19).replace("T", " ")}</time> {one.device} {one.point} <b>{words(one.kind)}</b> {one.detail}</li>)}</ul>
        </details>
      )}
    </section>
  );
}

function asking(one: Chosen, seconds: number) {
  const to = new Date(client.serverNow());
  const width = binSeconds(seconds);
  return { point: one.point, from: new Date(to.getTime() - seconds * 1_000).toISOString(), to: to.toISOString(), resolution: `${width}s` };
}

/** Bins of ten minutes and their multiples are counted beforehand: a month comes as fast as an hour. */
function binSeconds(seconds: number): number {
  const width = Math.max(Math.ceil(seconds / BINS), 1);
  return width < COUNTED / 2 ? width : Math.ceil(width / COUNTED) * COUNTED;
}

const table = (one: Chosen, seconds: number) =>
  `/api/v1/devices/${encodeURIComponent(one.device)}/series?${client.query({ ...asking(one, seconds), format: "csv" })}`;

function useDrawn(chosen: Chosen[], seconds: number) {
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    let stale = false;
    const ask = async () => {
      const began = performance.now();
      try {
        const series = await Promise.all(chosen.map((one) => client.series(one.device, asking(one, seconds))));
        const from = series[0]?.from ?? "";
        const lists = await Promise.all(chosen.map((one) => client.anomalies(one.device, one.point, from)));
        if (stale) return;
        setDrawn({ series, anomalies: lists.flat() });
        setSaid(null);
        setAsked(performance.now() - began);
      } catch (error) {
        if (!stale) setSaid(error instanceof Error ? error.message : String(error));
      }
    };
    void ask();
    const timer = window.setInterval(ask, REFRESH_MS);
    return () => { stale = true; window.clearInterval(timer); };
  }, [chosen, seconds]);
  return { drawn, said, asked };
}

function make(element: HTMLElement, drawn: Drawn, chosen: Chosen[]): uPlot {
  const bins = drawn.series.map((one) => one.items as Bin[]);
  const times = [...new Set(bins.flat().map((bin) => Date.parse(bin.at) / 1_000))].toSorted((a, b) => a - b);
  const columns = bins.flatMap((list) => {
    const known = new Map(list.map((bin) => [Date.parse(bin.at) / 1_000, bin]));
    const column = (of: "min" | "max" | "mean") => times.map((time) => known.get(time)?.[of] ?? null);
    return [column("max"), column("min"), column("mean")];
  });
  // One axis a unit: dBm and volts have nothing to do with one another.
  const units = [...new Set(chosen.map((one) => one.unit))];
  const scale = (at: number) => `y${units.indexOf(chosen[at]?.unit ?? "")}`;
  const dim = { stroke: "#aeb9c5", grid: { stroke: "#1b232d", width: 1 }, ticks: { stroke: "#33404e" } };
  const options: uPlot.Options = {
    width: element.clientWidth, height: HEIGHT, legend: { show: false },
    tzDate: (time) => uPlot.tzDate(new Date(time * 1_000), "Etc/UTC"),
    axes: [{ ...dim, values: HOURS }, ...units.map((unit, at): uPlot.Axis => ({ ...dim, scale: `y${at}`, label: unit, labelSize: 18, size: 58, side: at === 0 ? 3 : 1, grid: { show: at === 0, stroke: "#1b232d", width: 1 } }))],
    series: [{}, ...drawn.series.flatMap((_, at): uPlot.Series[] => {
      const faint = { scale: scale(at), stroke: `${PENS[at]}55`, width: 1, points: { show: false } };
      return [faint, faint, { scale: scale(at), stroke: PENS[at] ?? "#fff", width: 1.5, points: { show: times.length < 60 } }];
    })],
    bands: drawn.series.map((_, at) => ({ series: [3 * at + 1, 3 * at + 2] as [number, number], fill: `${PENS[at]}33` })),
    hooks: { draw: [(plot) => mark(plot, drawn.anomalies, chosen, scale)] },
  };
  return new uPlot(options, [times, ...columns] as uPlot.AlignedData, element);
}

/** Times of day as a NOC writes them, by the distance of the marks: never a.m. or p.m. */
const HOURS: uPlot.Axis.Values = [
  [28 * 86_400, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{DD} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{DD} {MMM} {YYYY}", null, "\n{DD} {MMM}", null, null, null, 1],
  [1, ":{ss}", "\n{DD} {MMM} {HH}:{mm}", null, "\n{DD} {MMM} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];

/** Findings as shaded times, limits as broken lines. */
function mark(plot: uPlot, anomalies: Anomaly[], chosen: Chosen[], scale: (at: number) => string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = "rgb(255 92 82 / 0.18)";
  for (const one of anomalies) {
    const from = Math.max(plot.valToPos(Date.parse(one.from) / 1_000, "x", true), bbox.left);
    const to = Math.min(one.to === null ? bbox.left + bbox.width : plot.valToPos(Date.parse(one.to) / 1_000, "x", true), bbox.left + bbox.width);
    if (to >= from) ctx.fillRect(from, bbox.top, Math.max(to - from, 2), bbox.height);
  }
  ctx.setLineDash([6, 5]);
  chosen.forEach((one, at) => one.limits.forEach((limit) => {
    const y = plot.valToPos(limit, scale(at), true);
    if (y < bbox.top || y > bbox.top + bbox.height) return;
    ctx.strokeStyle = PENS[at] ?? "#fff";
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }));
  ctx.restore();
}
