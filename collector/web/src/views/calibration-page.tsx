// How good the places were: predicted beside found over all repairs, and what to survey next.

import { useEffect, useState } from "preact/hooks";
import type { Calibration, Figures, Repair, Survey } from "../api";
import * as client from "../client";
import { chainage, length, spanName, words } from "../format";
import type { Model } from "../model";

/** Fewer repairs make no share of intervals that held: a chance of 95 in 100 wants some tries. */
const FEW = 10;

export default function CalibrationPage({ model, id, open }: { model: Model; id: string | null; open: (id: string) => void }) {
  const [known, setKnown] = useState<Calibration | null>(null);
  const [surveys, setSurveys] = useState<Survey[] | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const line = id ?? model.lines[0]?.id ?? null;
  const complain = (error: Error) => setSaid(error.message);
  useEffect(() => { client.get<Calibration>("calibration").then(setKnown, complain); }, []);
  useEffect(() => {
    if (line === null) return undefined;
    let stale = false;
    setSurveys(null);
    client.get<{ items: Survey[] }>(`calibration/survey?${client.query({ line })}`).then((found) => { if (!stale) setSurveys(found.items); }, complain);
    return () => { stale = true; };
  }, [line]);
  const nodes = model.lines.find((one) => one.id === line)?.nodes;
  return (
    <main class="stack wide paper" tabIndex={0} aria-label="calibration">
      <section class="card scroll" tabIndex={0}>
        <h2>How good the places were</h2>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
        {known === null && said === null && <p class="dim" role="status">Asking…</p>}
        {known !== null && <All known={known} />}
      </section>
      {known !== null && known.repairs.length > 0 && <Repairs repairs={known.repairs} model={model} />}
      <section class="card scroll" tabIndex={0}>
        <p class="tools"><label>line <select value={line ?? ""} onChange={(event) => open(event.currentTarget.value)}>{model.lines.map((one) => <option value={one.id}>{one.name}</option>)}</select></label></p>
        <table>
          <caption>Which closure to survey next</caption>
          <thead><tr><th scope="col">span</th><th scope="col">seen by</th><th scope="col">a fault there now</th><th scope="col">after surveying, in this order</th></tr></thead>
          <tbody>{(surveys ?? []).map((one) => (
            <tr key={`${one.span} ${one.view}`}>
              <td>{spanName(one.span, nodes)}</td>
              <td>{one.view}</td>
              <td class="number">± {length(one.half_width_m)}</td>
              <td>{one.steps.length === 0 ? <span class="dim">nothing would help</span> : one.steps.map((step, at) => (
                <span class={one.halved_by !== null && at < one.halved_by ? "" : "dim"}>{at > 0 && " → "}{step.landmark} ± {length(step.half_width_m)}</span>
              ))}</td>
            </tr>
          ))}</tbody>
        </table>
        {surveys === null && <p class="dim" role="status">Counting…</p>}
        {surveys?.length === 0 && <p class="dim">No view sees this line.</p>}
        <p class="dim small">Half widths of 95 % intervals of a single good shot, in the mean over the span. Bright steps halve it. Survey a closure: shoot it, measure where it stands, add its mark to the plant file.</p>
      </section>
    </main>
  );
}

function All({ known }: { known: Calibration }) {
  if (known.all.repairs === 0) return <p>No crew has told yet where it found a fault: close an incident with the place, and every next one is told better.</p>;
  const groups: [string, Figures][] = [["all repairs", known.all], ...Object.entries(known.lines), ...Object.entries(known.methods).map(([name, figures]): [string, Figures] => [`by ${name.replaceAll("+", " and ").replaceAll("_", " ")}`, figures])];
  return (
    <table>
      <thead><tr><th scope="col">repairs</th><th scope="col">number</th><th scope="col">half within</th><th scope="col">95 % within</th><th scope="col">on the whole</th><th scope="col">95 % intervals held</th><th scope="col">50 % held</th><th scope="col">mean width</th></tr></thead>
      <tbody>{groups.map(([name, of]) => (
        <tr key={name}>
          <td><b>{name}</b></td><td class="number">{of.located} of {of.repairs}</td>
          <td class="number">{metres(of.median_m)}</td><td class="number">{metres(of.p95_m)}</td>
          <td class="number">{of.bias_m === null ? "–" : `${length(Math.abs(of.bias_m))} ${of.bias_m >= 0 ? "towards B" : "towards A"}`}</td>
          <td class="number">{share(of.coverage95, of.located)}</td><td class="number">{share(of.coverage50, of.located)}</td><td class="number">{metres(of.width95_m)}</td>
        </tr>
      ))}</tbody>
    </table>
  );
}

function Repairs({ repairs, model }: { repairs: Repair[]; model: Model }) {
  const name = (id: string) => model.lines.find((line) => line.id === id)?.name ?? id;
  return (
    <section class="card scroll" tabIndex={0}>
      <table>
        <caption>Every repair, the newest first</caption>
        <thead><tr><th scope="col">when, UTC</th><th scope="col">line</th><th scope="col">told</th><th scope="col">found</th><th scope="col">off by</th><th scope="col">95 % interval</th><th scope="col">from</th><th scope="col">for the plant file</th></tr></thead>
        <tbody>{repairs.map((one) => (
          <tr key={one.incident}>
            <td class="number"><a href={`#/incident/${one.incident}`}>{one.at.slice(0, 16).replace("T", " ")}</a></td>
            <td>{name(one.line)}</td>
            <td class="number">{one.predicted_m === null ? "–" : chainage(one.predicted_m)}</td>
            <td class="number">{chainage(one.found_m)} ± {length(one.found_plus_minus_m)} <span class="dim">by {one.how}</span></td>
            <td class="number">{one.error_m === null ? "–" : length(one.error_m)}</td>
            <td>{one.covered95 === null ? "–" : one.covered95 ? "✓ held it" : <b class="warn">▲ missed it</b>}</td>
            <td class="dim">{words(one.method).replaceAll("+", ", ")}</td>
            <td>{one.proposal === "" ? <span class="dim">nothing new</span> : <details><summary>marks</summary><pre>{one.proposal}</pre></details>}</td>
          </tr>
        ))}</tbody>
      </table>
    </section>
  );
}

const metres = (of: number | null) => (of === null ? "–" : length(of));

function share(of: number | null, count: number): string {
  if (of === null) return "–";
  return count < FEW ? `${Math.round(of * count)} of ${count}` : `${(of * 100).toFixed(0)} %`;
}
