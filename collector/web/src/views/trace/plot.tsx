// The plot of a trace: wheel and pinch zoom, drag pans, a click sets a marker; the keyboard does the same.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { columns, noiseFloor, type Curve } from "../../curve";
import type { TraceEvent } from "../../report";
import { draw, type Marks } from "./draw";

/** A curve with its name and its pen. */
export interface Layer {
  name: string;
  curve: Curve;
  colour: string;
}

export interface PlotProps {
  layers: Layer[];
  events: TraceEvent[];
  marks: Marks;
  /** What is shown, in metres. */
  window: [number, number];
  setWindow: (window: [number, number]) => void;
  setMark: (at: number) => void;
}

const HEIGHT = 420;
/** A press that moves less is a click. */
const CLICK_PX = 4;
/** How much one step of wheel or key zooms. */
const ZOOM = 1.25;

export function Plot(props: PlotProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const newest = useRef(props);
  newest.current = props;
  useEffect(() => {
    if (element.current === null) return undefined;
    const made = make(element.current, props.layers, newest);
    plot.current = made;
    const stop = handle(made, newest);
    const resized = new ResizeObserver(([entry]) => made.setSize({ width: entry?.contentRect.width ?? 600, height: HEIGHT }));
    resized.observe(element.current);
    return () => {
      resized.disconnect();
      stop();
      made.destroy();
      plot.current = null;
    };
  }, [props.layers.map((layer) => layer.name).join("|")]);
  // Drawn once a frame at most, however often the wheel turns.
  useEffect(() => {
    const frame = requestAnimationFrame(() => plot.current !== null && show(plot.current, newest.current));
    return () => cancelAnimationFrame(frame);
  }, [props.window, props.layers, props.marks, props.events]);
  const keys = (event: KeyboardEvent) => {
    const [from, to] = props.window;
    const step = (to - from) / 10;
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [from - step, to - step], ArrowRight: [from + step, to + step],
      "+": zoomed(props.window, 0.5, 1 / ZOOM), "=": zoomed(props.window, 0.5, 1 / ZOOM), "-": zoomed(props.window, 0.5, ZOOM),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    props.setWindow(move);
  };
  return (
    <div
      ref={element} class="plot" tabIndex={0} onKeyDown={keys} role="application"
      aria-label="plot of the trace: arrows move, plus and minus zoom; the table below lists its events"
    />
  );
}

function make(element: HTMLElement, layers: Layer[], newest: { current: PlotProps }): uPlot {
  const pen = (layer: Layer): uPlot.Series => ({ label: layer.name, stroke: layer.colour, width: 1, points: { show: false }, spanGaps: false });
  const floors = layers.map((layer) => noiseFloor(layer.curve));
  const axis = { stroke: "#aeb9c5", grid: { stroke: "#1b232d", width: 1 }, ticks: { stroke: "#33404e" } };
  const options: uPlot.Options = {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { show: false }, y: true },
    scales: {
      x: { time: false },
      // No peak is hidden; the pits of the noise are, for a wall of light blinds in a dark room.
      y: { range: (_, low, high) => [Math.max(low, Math.min(...floors, high - 5)), high + 2] },
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((tick) => String(Math.round(tick) / 1_000)), label: "km of glass", labelSize: 20 },
      { ...axis, label: "dB", labelSize: 20, size: 52 },
    ],
    series: [{}, ...layers.map(pen)],
    hooks: { draw: [(plot) => draw(plot, newest.current.events, newest.current.marks)] },
  };
  return new uPlot(options, [[]], element);
}

/** Two points a column for each curve: its lowest and its highest. */
function show(plot: uPlot, { layers, window: [from, to] }: PlotProps): void {
  const began = performance.now();
  const count = Math.max(Math.round(plot.over.clientWidth), 100);
  const wide = (to - from) / count;
  const x = new Float64Array(count * 2);
  for (let column = 0; column < count; column += 1) x[2 * column] = x[2 * column + 1] = from + (column + 0.5) * wide;
  const ys = layers.map((layer) => {
    const { min, max } = columns(layer.curve, from, to, count);
    const y: (number | null)[] = new Array(count * 2).fill(null);
    for (let column = 0; column < count; column += 1) {
      if (Number.isNaN(min[column])) continue;
      y[2 * column] = max[column] ?? null;
      y[2 * column + 1] = min[column] ?? null;
    }
    return y;
  });
  plot.batch(() => {
    plot.setData([x as unknown as number[], ...ys] as uPlot.AlignedData, false);
    plot.setScale("x", { min: from, max: to });
  });
  plot.root.dataset.script = (performance.now() - began).toFixed(2);
}

/** The window zoomed by `factor` about the point at `share` of its width. */
export function zoomed([from, to]: [number, number], share: number, factor: number): [number, number] {
  const at = from + (to - from) * share;
  return [at - (at - from) * factor, at + (to - at) * factor];
}

/** Wheel and fingers. */
function handle(plot: uPlot, newest: { current: PlotProps }): () => void {
  const over = plot.over;
  const pointers = new Map<number, number>();
  let travelled = 0;
  const share = (x: number) => (x - over.getBoundingClientRect().left) / Math.max(over.clientWidth, 1);
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    const { window, setWindow } = newest.current;
    setWindow(zoomed(window, share(event.clientX), event.deltaY > 0 ? ZOOM : 1 / ZOOM));
  };
  const down = (event: PointerEvent) => {
    pointers.set(event.pointerId, event.clientX);
    travelled = 0;
    over.setPointerCapture(event.pointerId);
  };
  const move = (event: PointerEvent) => {
    const before = pointers.get(event.pointerId);
    if (before === undefined) return;
    const { window: [from, to], setWindow } = newest.current;
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
    pointers.set(event.pointerId, event.clientX);
    travelled += Math.abs(event.clientX - before);
    if (other !== undefined) {
      const [was, is] = [Math.abs(before - other), Math.abs(event.clientX - other)];
      setWindow(zoomed([from, to], share((event.clientX + other) / 2), Math.max(was, 1) / Math.max(is, 1)));
      return;
    }
    const by = ((before - event.clientX) / Math.max(over.clientWidth, 1)) * (to - from);
    setWindow([from + by, to + by]);
  };
  const up = (event: PointerEvent) => {
    const clicked = pointers.size === 1 && travelled < CLICK_PX;
    pointers.delete(event.pointerId);
    const { window: [from, to], setMark } = newest.current;
    if (clicked && event.type === "pointerup") setMark(from + share(event.clientX) * (to - from));
  };
  const all: [string, (event: never) => void][] = [
    ["wheel", wheel], ["pointerdown", down], ["pointermove", move], ["pointerup", up], ["pointercancel", up],
  ];
  for (const [name, listener] of all) over.addEventListener(name, listener as EventListener, { passive: false });
  return () => all.forEach(([name, listener]) => over.removeEventListener(name, listener as EventListener));
}
