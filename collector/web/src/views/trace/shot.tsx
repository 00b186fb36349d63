// The shot that located an incident, over the last good one of the same view.

import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import type { Incident, Trace } from "../../api";
import * as client from "../../client";
import { curve, end } from "../../curve";
import { metres } from "../../format";
import { reportOf } from "../../report";
import { Plot, type Layer } from "./plot";

/** Shots of the view to look through for the last one from before. */
const LOOK_BACK = 60;
const POINTS = 40_000;

interface Pair {
  view: string;
  at: number;
  shot: Trace;
  before: Trace | null;
}

export default function Shot({ incident }: { incident: Incident }) {
  const [pair, setPair] = useState<Pair | null>(null);
  const [said, setSaid] = useState("Looking for the shot…");
  const seen = incident.evidence.find((one) => one.kind === "otdr" || one.kind === "cotdr");
  const view = typeof seen?.view === "string" ? seen.view : null;
  const at = typeof seen?.optical_m === "number" ? seen.optical_m : null;
  useEffect(() => {
    if (view === null || at === null) {
      setSaid("No trace speaks of this incident.");
      return undefined;
    }
    let stale = false;
    find(incident, view, at).then(
      (found) => { if (!stale) { setPair(found); setSaid("The shot is no longer stored."); } },
      () => stale || setSaid("The shot could not be fetched."),
    );
    return () => { stale = true; };
  }, [incident.id, view, at]);
  if (pair === null) return <p class="card dim">{said}</p>;
  return <Drawn key={pair.shot.id} pair={pair} />;
}

function Drawn({ pair: { view, at, shot, before } }: { pair: Pair }) {
  const [layers] = useState<Layer[]>(() => [
    ...(before?.levels == null ? [] : [{ name: "before", curve: curve(before.levels), colour: "#8a97a5" }]),
    ...(shot.levels === null ? [] : [{ name: "shot", curve: curve(shot.levels), colour: "#7cc7ff" }]),
  ]);
  const main = layers.at(-1)?.curve;
  const [window, setWindow] = useState<[number, number]>(main === undefined ? [0, 1] : [main.first, Math.min(end(main), at * 1.3 + 2_000)]);
  const events = reportOf(shot.analysis)?.events ?? [];
  return (
    <section class="card viewer">
      <h3>The shot that located it <span class="dim">{view}, {shot.at.slice(0, 19).replace("T", " ")} UTC, event at {metres(at)} of glass{before === null ? "" : `; grey: ${before.at.slice(0, 19).replace("T", " ")}`}</span></h3>
      <Plot layers={layers} events={events} marks={{ a: at, b: null, picked: null }} window={window} setWindow={setWindow} setMark={() => undefined} />
      <p class="dim small">A is where the fault was seen. <a href={`#/traces/${shot.id}`}>Open in the trace viewer</a></p>
    </section>
  );
}

/** The first shot that sees its end where the incident is, and the last from before it. */
async function find(incident: Incident, view: string, at: number): Promise<Pair | null> {
  const shots = await client.traces(view, LOOK_BACK, null);
  const opened = Date.parse(incident.opened);
  const during = shots.filter((shot) => Date.parse(shot.at) >= opened - 120_000);
  const sees = (shot: Trace) => Math.abs((reportOf(shot.analysis)?.end_of_fibre?.at_m ?? Infinity) - at) < 2_000;
  const shot = during.findLast(sees) ?? during.at(-1);
  const before = shots.find((one) => Date.parse(one.at) < opened - 120_000 && !sees(one));
  if (shot === undefined) return null;
  const [full, good] = await Promise.all([client.trace(shot.id, POINTS), before === undefined ? null : client.trace(before.id, POINTS)]);
  return { view, at, shot: full, before: good };
}
