// One trace: its plot with what is laid over it, its events, markers and what they measure.

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Trace } from "../../api";
import * as client from "../../client";
import { curve, end, measure, type Curve } from "../../curve";
import { decibels, metres } from "../../format";
import { reportOf, type Report, type TraceEvent } from "../../report";
import type { Marks } from "./draw";
import { Plot, type Layer } from "./plot";

/** Stretches that come first: enough for any screen; the samples follow. */
const COARSE = 4_000;
const ALL = 262_144;
/** Pens for what is laid over; the trace itself is the first. */
const PENS = ["#7cc7ff", "#ff9d3c", "#b39ddb", "#7bd88f", "#f28b82", "#e6c84f"];

interface Props {
  /** What is looked at: a stored trace by number, or a file just looked at. */
  shown: { name: string; id: number | null; curve: Curve; report: Report | null };
  /** Others of the same view, to lay over. */
  others: Trace[];
}

export function Viewer({ shown, others }: Props) {
  const [over, setOver] = useState<number[]>([]);
  const [fetched, setFetched] = useState<Record<number, Curve>>({});
  const full = useFull(shown.id, shown.curve);
  const whole: [number, number] = useMemo(() => [full.first, end(full)], [shown.name]);
  const [window, setWindow] = useState<[number, number]>(whole);
  const [marks, setMarks] = useState<Marks>({ a: null, b: null, picked: null });
  const [next, setNext] = useState<"a" | "b">("a");
  useEffect(() => { setWindow(whole); setMarks({ a: null, b: null, picked: null }); setOver([]); }, [shown.name]);
  useEffect(() => {
    for (const id of over.filter((id) => fetched[id] === undefined)) {
      void client.trace(id, ALL).then(({ levels }) => levels !== null && setFetched((known) => ({ ...known, [id]: curve(levels) })));
    }
  }, [over]);
  const layers = useMemo<Layer[]>(() => {
    const laid = over.flatMap((id, at) => {
      const known = fetched[id];
      return known === undefined ? [] : [{ name: `trace ${id}`, curve: known, colour: PENS[(at + 1) % PENS.length] ?? "" }];
    });
    return [...laid, { name: shown.name, curve: full, colour: PENS[0] ?? "" }];
  }, [full, over, fetched]);
  const events = shown.report?.events ?? [];
  const mark = (at: number) => {
    setMarks((known) => ({ ...known, [next]: at }));
    setNext(next === "a" ? "b" : "a");
  };
  const pick = (at: number) => {
    const event = events[at];
    if (event === undefined) return;
    const wide = Math.max((whole[1] - whole[0]) / 40, 20 * event.plus_minus_m, 50);
    setMarks((known) => ({ ...known, picked: at }));
    setWindow([event.at_m - wide, event.at_m + wide]);
  };
  return (
    <section class="card viewer" data-exact={full.exact}>
      <p class="tools">
        <button onClick={() => setWindow(whole)}>Whole trace</button>
        <button onClick={() => setNext("a")} aria-pressed={next === "a"}>Set A</button>
        <button onClick={() => setNext("b")} aria-pressed={next === "b"}>Set B</button>
        <Overlays others={others.filter((other) => other.id !== shown.id)} over={over} setOver={setOver} />
        <Downloads id={shown.id} name={shown.name} />
      </p>
      <Plot layers={layers} events={events} marks={marks} window={window} setWindow={(to) => setWindow(held(to, whole))} setMark={mark} />
      <Markers curve={full} marks={marks} setMarks={setMarks} />
      <Facts report={shown.report} />
      <Events events={events} picked={marks.picked} pick={pick} />
    </section>
  );
}

/** The window, kept on the trace and no narrower than a few metres. */
function held([from, to]: [number, number], [first, last]: [number, number]): [number, number] {
  const wide = Math.min(Math.max(to - from, 5), last - first);
  const start = Math.min(Math.max(from, first), last - wide);
  return [start, start + wide];
}

/** The curve at first as it came, then by its samples. */
function useFull(id: number | null, coarse: Curve): Curve {
  const [full, setFull] = useState<Curve | null>(null);
  useEffect(() => {
    setFull(null);
    if (id === null || coarse.exact) return undefined;
    let stale = false;
    void client.trace(id, ALL).then(({ levels }) => stale || levels === null || setFull(curve(levels)), () => undefined);
    return () => { stale = true; };
  }, [id, coarse]);
  return full ?? coarse;
}

function Overlays({ others, over, setOver }: { others: Trace[]; over: number[]; setOver: (over: number[]) => void }) {
  if (others.length === 0) return null;
  const lay = (value: string) => value !== "" && setOver([...new Set([...over, Number(value)])].slice(-PENS.length + 1));
  return (
    <>
      <select aria-label="lay another shot of this view over it" value="" onChange={(event) => lay(event.currentTarget.value)}>
        <option value="">Lay over…</option>
        {others.map((other) => <option value={other.id}>{`${other.at.slice(0, 19).replace("T", " ")} ${other.trigger} (${other.id})`}</option>)}
      </select>
      {over.map((id, at) => (
        <button class="pen" onClick={() => setOver(over.filter((one) => one !== id))} aria-label={`take trace ${id} away`}>
          <svg width="10" height="10" aria-hidden="true"><rect width="10" height="10" fill={PENS[(at + 1) % PENS.length]} /></svg> {id} ✕
        </button>
      ))}
    </>
  );
}

function Downloads({ id, name }: { id: number | null; name: string }) {
  const png = () => {
    const canvas = document.querySelector<HTMLCanvasElement>(".plot canvas");
    canvas?.toBlob((blob) => {
      if (blob === null) return;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name.replaceAll(" ", "-")}.png`;
      link.click();
      URL.revokeObjectURL(link.href);
    });
  };
  return (
    <span class="right downloads">
      {id !== null && <><a href={`/api/v1/traces/${id}.sor`}>SOR</a> <a href={`/api/v1/traces/${id}.csv`}>CSV</a> <a href={`/api/v1/traces/${id}.svg`} target="_blank" rel="noreferrer">SVG</a>{" "}</>}
      <button onClick={png}>PNG</button>
    </span>
  );
}

function Markers({ curve, marks, setMarks }: { curve: Curve; marks: Marks; setMarks: (marks: Marks) => void }) {
  const found = marks.a === null || marks.b === null ? null : measure(curve, marks.a, marks.b);
  const input = (name: "a" | "b") => (
    <label>
      {name.toUpperCase()}{" "}
      <input
        type="number" step={curve.step.toFixed(3)} value={marks[name]?.toFixed(2) ?? ""} aria-label={`marker ${name.toUpperCase()} in metres`}
        onInput={(event) => setMarks({ ...marks, [name]: event.currentTarget.value === "" ? null : Number(event.currentTarget.value) })}
      /> m
    </label>
  );
  return (
    <p class="markers">
      {input("a")} {input("b")}
      {found === null ? <span class="dim">click the plot to set A, then B</span> : (
        <output>
          A–B <b>{metres(found.distance_m)}</b> · two-point <b>{decibels(found.loss_db)}</b>
          {found.lsa_db_per_km !== null && found.lsa_loss_db !== null && (
            <> · LSA <b>{found.lsa_db_per_km.toFixed(3)} dB/km</b>, <b>{decibels(found.lsa_loss_db)}</b></>
          )}
          {!curve.exact && <span class="dim"> (coarse: samples are still coming)</span>}
        </output>
      )}
    </p>
  );
}

function Facts({ report }: { report: Report | null }) {
  if (report === null) return <p class="warn">▲ This file could not be read as a trace.</p>;
  const end = report.end_of_fibre;
  return (
    <p class="facts">
      {report.supplier} {report.model} · {report.wavelength_nm === null ? "? nm" : `${report.wavelength_nm.toFixed(0)} nm`} · {report.pulse_ns} ns ·{" "}
      {report.samples} samples of {report.sample_spacing_m.toFixed(2)} m · taken {report.taken ?? "at an unknown time"}
      <br />
      {end === null ? "no end seen" : <>{end.kind} at <b>{metres(end.at_m)}</b> ± {metres(end.plus_minus_m)}</>} · loss {decibels(report.total_loss_db)} · return loss {decibels(report.orl_db)}
      {report.warnings.map((warning) => <><br /><span class="warn">▲ {warning}</span></>)}
    </p>
  );
}

function Events({ events, picked, pick }: { events: TraceEvent[]; picked: number | null; pick: (at: number) => void }) {
  if (events.length === 0) return <p class="dim">no events found</p>;
  return (
    <div class="scroll">
      <table class="events">
        <caption>Events, from the user offset</caption>
        <thead><tr><th scope="col">#</th><th scope="col">at</th><th scope="col">± 95 %</th><th scope="col">kind</th><th scope="col">loss</th><th scope="col">reflectance</th><th scope="col">dB/km before</th></tr></thead>
        <tbody>
          {events.map((event, at) => (
            <tr key={at} class={at === picked ? "picked" : ""}>
              <td><button onClick={() => pick(at)} aria-label={`show event ${at + 1}`}>{at + 1}</button></td>
              <td class="number">{metres(event.at_m)}</td>
              <td class="number">{metres(event.plus_minus_m)}</td>
              <td>{event.kind}{event.saturated ? ", saturated" : ""}</td>
              <td class="number">{decibels(event.loss_db)}{event.loss_plus_minus_db === null ? "" : ` ± ${event.loss_plus_minus_db.toFixed(3)}`}</td>
              <td class="number">{decibels(event.reflectance_db, 1)}</td>
              <td class="number">{event.slope_before_db_per_km?.toFixed(3) ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A stored trace, ready to be shown. */
export async function stored(id: number): Promise<Props["shown"]> {
  const trace = await client.trace(id, COARSE);
  if (trace.levels === null) throw new Error(`trace ${id} cannot be read`);
  const report = reportOf(trace.analysis);
  // What is kept with a trace is what the watch needed; its events are found anew by looking at the file.
  const whole = report !== null && report.events.length > 0 ? report : await lookedAt(trace).catch(() => report);
  return { name: `trace ${id}`, id, curve: curve(trace.levels), report: whole };
}

async function lookedAt(trace: Trace): Promise<Report | null> {
  const file = await (await fetch(trace.sor)).blob();
  return reportOf((await client.look(file, { points: 2 })).analysis);
}

export type Shown = Props["shown"];
