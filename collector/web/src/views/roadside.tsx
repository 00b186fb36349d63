// For a crew with a handheld: the file, where it was shot, and how far to walk.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Line, LineDetail, Look } from "../api";
import * as client from "../client";
import { chainage, coordinates, decibels, length, metres, offset, plusMinus, spanName } from "../format";
import { lazy } from "../lazy";
import { reportOf } from "../report";
import { Closeup } from "./closeup";

const PlaceMap = lazy(() => import("./place-map"));

export default function Roadside() {
  const [lines, setLines] = useState<Line[]>([]);
  const [line, setLine] = useState<LineDetail | null>(null);
  const [chosen, setChosen] = useState("");
  const wanted = useRef("");
  const [from, setFrom] = useState("");
  const [toward, setToward] = useState("B");
  const [look, setLook] = useState<Look | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const complain = (error: unknown) => setSaid(error instanceof Error ? error.message : String(error));
  useEffect(() => { client.lines().then((found) => { setLines(found); if (found[0] !== undefined) void choose(found[0].id); }, complain); }, []);
  // The places of another line are no choice while this one's are on their way.
  const choose = (id: string) => {
    wanted.current = id;
    setChosen(id);
    setLine(null);
    setFrom("");
    setLook(null);
    return client.line(id).then((found) => { if (wanted.current === id) setLine(found); }, complain);
  };
  const upload = async (file: File | undefined) => {
    if (file === undefined || line === null) return;
    setSaid("Looking at the file…");
    const view = line.views.find((view) => `view ${view.id}` === from);
    try {
      setLook(await client.look(file, view === undefined ? { line: line.id, from, toward, points: 2_000 } : { view: view.id, points: 2_000 }));
      setSaid(null);
    } catch (error) {
      setLook(null);
      complain(error);
    }
  };
  const closure = from !== "" && !from.startsWith("view ");
  return (
    <div class="single roadside">
      <header class="bar no_data"><h1><a href="#/overview">silkline</a></h1><p>Roadside</p></header>
      <main>
        <section class="card form">
          <label>Line <select value={chosen} onChange={(event) => void choose(event.currentTarget.value)}>{lines.map((one) => <option value={one.id}>{one.name}</option>)}</select></label>
          <label>Shot from{" "}
            <select value={from} onChange={(event) => setFrom(event.currentTarget.value)}>
              <option value="">choose a place</option>
              <optgroup label="closures and sites">
                {places(line).map(([id, name, at]) => <option value={id}>{`${name}, ${chainage(at, 1)}`}</option>)}
              </optgroup>
              <optgroup label="views">{line?.views.map((view) => <option value={`view ${view.id}`}>{view.id}</option>)}</optgroup>
            </select>
          </label>
          {closure && line !== null && (
            <fieldset>
              <legend>Towards</legend>
              {(["A", "B"] as const).map((end) => (
                <label><input type="radio" name="toward" checked={toward === end} onChange={() => setToward(end)} /> {end === "A" ? line.nodes[0]?.name : line.nodes.at(-1)?.name}</label>
              ))}
            </fieldset>
          )}
          <label class={from === "" ? "file off" : "file"}>The handheld's file (.sor){" "}
            <input type="file" accept=".sor,.SOR" disabled={from === ""} onChange={(event) => upload(event.currentTarget.files?.[0])} />
          </label>
          <p class="dim small">The file is looked at and not stored.</p>
        </section>
        {said !== null && <p class="card" role="status">{said}</p>}
        {look !== null && line !== null && <Answer look={look} line={line} />}
      </main>
    </div>
  );
}

/** Closures and nodes of a line, from A to B. */
function places(line: LineDetail | null): [string, string, number][] {
  if (line === null) return [];
  const marks = line.landmarks.map((mark): [string, string, number] => [mark.name, mark.name, mark.chainage_m]);
  const nodes = line.nodes.map((node): [string, string, number] => [node.id, node.name, node.chainage_m]);
  return [...marks, ...nodes].toSorted((a, b) => a[2] - b[2]);
}

function Answer({ look, line }: { look: Look; line: LineDetail }) {
  const report = reportOf(look.analysis);
  const place = look.place;
  const end = report?.end_of_fibre ?? null;
  return (
    <section class="card answer critical" data-walk={look.walk ?? ""}>
      <p class="big">{look.walk ?? "The file shows no end of the fibre"}</p>
      {place !== null && place.chainage_m !== null && (
        <dl>
          <dt>place</dt><dd>{chainage(place.chainage_m)}{place.interval95_m !== null && ` ± ${length(plusMinus(place.chainage_m, place.interval95_m))} (95 %)`}</dd>
          {place.span !== null && <><dt>span</dt><dd>{spanName(place.span, line.nodes)}</dd></>}
          {place.before !== null && <><dt>landmarks</dt><dd>{offset(place.before.landmark, place.before.offset_m)}</dd></>}
          {place.after !== null && <><dt /><dd>{offset(place.after.landmark, place.after.offset_m)}</dd></>}
          {place.lat !== null && place.lon !== null && <><dt>coordinates</dt><dd><a href={`geo:${place.lat.toFixed(5)},${place.lon.toFixed(5)}`}>{coordinates(place.lat, place.lon)}</a></dd></>}
        </dl>
      )}
      {end !== null && <p>{end.kind} at {metres(end.at_m)} ± {metres(end.plus_minus_m)} of glass · loss {decibels(report?.total_loss_db ?? null)}</p>}
      {report?.warnings.map((warning) => <p class="warn">▲ {warning}</p>)}
      {place !== null && place.chainage_m !== null && <Closeup place={place} line={line} />}
      {place !== null && place.lat !== null && <PlaceMap place={place} line={line} />}
    </section>
  );
}
