// What stands on the plot beside the curves: events by number, markers A and B.

import type uPlot from "uplot";
import type { TraceEvent } from "../../report";

/** Where the markers are, in metres, and which event is picked. */
export interface Marks {
  a: number | null;
  b: number | null;
  picked: number | null;
}

const EVENT = "#8a97a5";
const PICKED = "#ffffff";
const MARK = "#ffd166";

export function draw(plot: uPlot, events: TraceEvent[], { a, b, picked }: Marks): void {
  const { ctx } = plot;
  ctx.save();
  ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
  ctx.textAlign = "center";
  let free = -Infinity;
  events.forEach((event, at) => {
    const x = line(plot, event.at_m, at === picked ? PICKED : EVENT, at === picked ? [] : [3, 4]);
    if (x === null) return;
    // A number that would lie on its neighbour's is left to the table.
    if (x < free && at !== picked) return;
    ctx.fillText(`${at + 1}`, x, plot.bbox.top + 12 * devicePixelRatio);
    free = x + 16 * devicePixelRatio;
  });
  for (const [name, metres] of [["A", a], ["B", b]] as const) {
    if (metres === null) continue;
    const x = line(plot, metres, MARK, [8, 3]);
    if (x !== null) ctx.fillText(name, x, plot.bbox.top + plot.bbox.height - 6 * devicePixelRatio);
  }
  ctx.restore();
}

/** An upright line; its place in canvas pixels where it is on the plot. */
function line(plot: uPlot, metres: number, colour: string, dash: number[]): number | null {
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(metres, "x", true));
  if (x < bbox.left || x > bbox.left + bbox.width) return null;
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash(dash.map((length) => length * devicePixelRatio));
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  return x;
}
