// Every trace of a view: list, viewer, waterfall; and any file to look at without storing it.

import { useEffect, useState } from "preact/hooks";
import "uplot/dist/uPlot.min.css";
import type { Trace } from "../api";
import * as client from "../client";
import { curve } from "../curve";
import { ago, words } from "../format";
import type { Model } from "../model";
import { reportOf } from "../report";
import { useSession } from "../session";
import { stored, Viewer, type Shown } from "./trace/viewer";
import { Waterfall } from "./trace/waterfall";

/** Shots in the list and the waterfall, and stretches of each there. */
const SHOTS = 60;
const POINTS = 800;

interface Props {
  model: Model;
  now: number;
  /** The trace in the address. */
  id: string | null;
  open: (id: string) => void;
}

export default function Traces({ model, now, id, open }: Props) {
  const [view, setView] = useState("");
  const [traces, setTraces] = useState<Trace[]>([]);
  const [shown, setShown] = useState<Shown | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const complain = (error: unknown) => setSaid(error instanceof Error ? error.message : String(error));
  const views = model.lines.flatMap((line) => line.views.map((one) => ({ ...one, line: line.name })));
  useEffect(() => {
    let stale = false;
    client.traces(view === "" ? null : view, SHOTS, view === "" ? null : POINTS).then((found) => {
      if (stale) return;
      setTraces(found);
      if (id === null && found[0] !== undefined && shown === null) open(String(found[0].id));
    }, complain);
    return () => { stale = true; };
  }, [view, model.latestTrace]);
  useEffect(() => {
    if (id === null) return undefined;
    let stale = false;
    stored(Number(id)).then((found) => { if (!stale) { setShown(found); setSaid(null); } }, complain);
    return () => { stale = true; };
  }, [id]);
  const upload = async (file: File | undefined) => {
    if (file === undefined) return;
    try {
      const looked = await client.look(file, view === "" ? {} : { view });
      setShown({ name: file.name, id: null, curve: curve(looked.levels), report: reportOf(looked.analysis) });
      setSaid(null);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <main class="traces">
      <section class="card picks">
        <h2>Traces</h2>
        <label>view{" "}
          <select value={view} onChange={(event) => setView(event.currentTarget.value)}>
            <option value="">all views</option>
            {views.map((one) => <option value={one.id}>{`${one.id} (${one.line}, fibre ${one.fibre}, towards ${one.toward})`}</option>)}
          </select>
        </label>
        {view !== "" && <ShootNow key={view} view={view} />}
        <label class="file">look at a file, nothing is stored{" "}
          <input type="file" accept=".sor,.SOR" onChange={(event) => upload(event.currentTarget.files?.[0])} />
        </label>
        <List traces={traces} shown={shown?.id ?? null} now={now} open={(one) => open(String(one))} />
      </section>
      <div class="stack" tabIndex={0} role="region" aria-label="the trace">
        {said !== null && <p class="card warn" role="alert">▲ {said}</p>}
        {shown === null ? <p class="card dim">No trace is picked yet.</p> : <Named shown={shown} traces={traces} />}
        {view !== "" && <Waterfall key={view} view={view} traces={traces} open={(one) => open(String(one))} />}
      </div>
    </main>
  );
}

/** Has the view shot at once, outside its round. */
function ShootNow({ view }: { view: string }) {
  const session = useSession();
  const [said, setSaid] = useState<string | null>(null);
  const [asking, setAsking] = useState(false);
  if (session !== null && !session.may_act) return null;
  const shoot = async () => {
    setAsking(true);
    try {
      const { replies } = await client.shoot(view);
      setSaid(replies.map((one) => `${one.agent}: ${one.detail}`).join("; ") || "no agent has answered yet: is the site reached?");
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    }
    setAsking(false);
  };
  return (
    <p>
      <button disabled={asking} onClick={shoot}>{asking ? "asking the site…" : "Shoot this view now"}</button>
      {said !== null && <span class="dim" role="status"> {said}</span>}
    </p>
  );
}

function Named({ shown, traces }: { shown: Shown; traces: Trace[] }) {
  const own = traces.find((trace) => trace.id === shown.id);
  const others = own?.view == null ? [] : traces.filter((trace) => trace.view === own.view);
  return (
    <>
      <h2 class="title">{shown.name}{own !== undefined && <span class="dim"> · {own.view ?? own.device} · {own.at.slice(0, 19).replace("T", " ")} UTC · {words(own.trigger)}</span>}</h2>
      <Viewer shown={shown} others={others} />
    </>
  );
}

function List({ traces, shown, now, open }: { traces: Trace[]; shown: number | null; now: number; open: (id: number) => void }) {
  if (traces.length === 0) return <p class="dim">No trace has come yet.</p>;
  return (
    <ol class="shots" tabIndex={0} aria-label="shots, newest first">
      {traces.map((trace) => {
        const end = reportOf(trace.analysis)?.end_of_fibre ?? null;
        return (
          <li key={trace.id}>
            <button class={trace.id === shown ? "row shown" : "row"} aria-current={trace.id === shown} onClick={() => open(trace.id)}>
              <b>{trace.view ?? trace.device}</b> <span class="right dim">{ago(trace.at, now)}</span>
              <br />
              <span class="dim">{words(trace.trigger)}{end !== null && ` · ${end.kind} at ${(end.at_m / 1_000).toFixed(3)} km`}</span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
