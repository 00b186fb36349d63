// A fibre over time: how its splices and its glass age, and what a shot in a year will find.

import { useEffect, useState } from "preact/hooks";
import type { FibreHistory, Measured, Section, Splice, Trend } from "../api";
import * as client from "../client";
import { ago, metres } from "../format";
import type { Model } from "../model";

interface Props {
  model: Model;
  now: number;
  id: string | null;
  open: (id: string) => void;
}

export default function FibresPage({ model, now, id, open }: Props) {
  const [history, setHistory] = useState<FibreHistory | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const first = model.lines.find((line) => line.views.length > 0)?.views[0]?.id ?? null;
  const view = id ?? first;
  useEffect(() => {
    if (view === null) return undefined;
    let stale = false;
    setHistory(null);
    client.fibre(view).then(
      (found) => { if (!stale) { setHistory(found); setSaid(null); } },
      (error: Error) => stale || setSaid(error.message),
    );
    return () => { stale = true; };
  }, [view]);
  return (
    <main class="stack wide paper" tabIndex={0} aria-label="fibre">
      <section class="card">
        <p class="tools">
          <label>view{" "}
            <select value={view ?? ""} onChange={(event) => open(event.currentTarget.value)}>
              {model.lines.map((line) => (
                <optgroup label={line.name}>{line.views.map((one) => <option value={one.id}>{`${one.id}, fibre ${one.fibre} towards ${one.toward}`}</option>)}</optgroup>
              ))}
            </select>
          </label>
          <a href="#/traces">Traces and waterfall</a>
          <button class="right no-print" onClick={() => window.print()}>Print</button>
        </p>
        <h2>How {view ?? "a fibre"} ages</h2>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
        {history === null && said === null && <p class="dim" role="status">Looking at the shots…</p>}
        {history !== null && <Basis history={history} now={now} />}
      </section>
      {history !== null && history.splices.length > 0 && <Splices splices={history.splices} />}
      {history !== null && history.sections.length > 0 && <Sections sections={history.sections} />}
    </main>
  );
}

/** What it all rests on. */
function Basis({ history, now }: { history: FibreHistory; now: number }) {
  if (history.shots === 0) return <p>No shot of this view is stored yet.</p>;
  const worse = history.splices.filter((splice) => splice.trend.rises).length;
  const known = history.splices.filter((splice) => splice.trend.why_not === null).length;
  return (
    <>
      <p>{known === 0 ? "? Nobody can tell yet whether anything ages: see why beside each." : worse === 0 ? `✓ None of ${known} splices rises beyond chance.` : <b class="warn">▲ {worse} of {known} splices rise beyond chance.</b>}</p>
      <p class="dim">
        {history.shots} alike shots of fibre {history.fibre}
        {history.wavelength_nm !== null && `, ${history.wavelength_nm.toFixed(0)} nm`}{history.pulse_ns !== null && `, ${history.pulse_ns.toFixed(0)} ns`},
        {" "}{history.from?.slice(0, 10)} to {history.to?.slice(0, 10)}, the newest {ago(history.to, now)}. Intervals hold 95 %. Distances are along the glass.
      </p>
    </>
  );
}

function Splices({ splices }: { splices: Splice[] }) {
  return (
    <section class="card scroll" tabIndex={0}>
      <table>
        <caption>Splices and connectors</caption>
        <thead><tr><th scope="col">at</th><th scope="col">landmark</th><th scope="col">kind</th><th scope="col">loss, shot by shot</th><th scope="col">now, dB</th><th scope="col">a year, dB</th><th scope="col">in a year, dB</th><th scope="col">another 0.3 dB by</th></tr></thead>
        <tbody>{splices.map((splice) => (
          <tr key={splice.at_m} data-splice={splice.at_m.toFixed(0)}>
            <td class="number">{metres(splice.at_m)}</td>
            <td>{splice.landmark ?? "–"}</td>
            <td>{splice.reflects ? "reflective" : "splice"}</td>
            <td><Spark values={splice.losses} least={0.1} unit="dB" /></td>
            <Told trend={splice.trend} digits={3} />
            <td class="number">{splice.trend.worse_by === null ? "–" : <b class="warn">{splice.trend.worse_by[1].slice(0, 7)} <span class="dim">({splice.trend.worse_by[0].slice(0, 7)} … {later(splice.trend.worse_by[2])})</span></b>}</td>
          </tr>
        ))}</tbody>
      </table>
    </section>
  );
}

function Sections({ sections }: { sections: Section[] }) {
  return (
    <section class="card scroll" tabIndex={0}>
      <table>
        <caption>Glass between them</caption>
        <thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">attenuation, shot by shot</th><th scope="col">now, dB/km</th><th scope="col">a year, dB/km</th><th scope="col">in a year, dB/km</th></tr></thead>
        <tbody>{sections.map((section) => (
          <tr key={section.from_m}>
            <td class="number">{metres(section.from_m)}</td><td class="number">{metres(section.to_m)}</td>
            <td><Spark values={section.slopes} least={0.02} unit="dB/km" /></td>
            <Told trend={section.trend} digits={4} />
          </tr>
        ))}</tbody>
      </table>
    </section>
  );
}

/** A line's three figures, or why there are none. */
function Told({ trend, digits }: { trend: Trend; digits: number }) {
  if (trend.why_not !== null) return <td class="dim" colSpan={3}>{trend.why_not}</td>;
  const figure = (value: number | null, half: number | null, sign = false) =>
    value === null ? "–" : `${sign && value >= 0 ? "+" : ""}${value.toFixed(digits)} ± ${(half ?? 0).toFixed(digits)}`;
  return (
    <>
      <td class="number">{figure(trend.now, trend.now_plus_minus)}</td>
      <td class="number">{trend.rises ? <b class="warn">▲ {figure(trend.per_year, trend.per_year_plus_minus, true)}</b> : figure(trend.per_year, trend.per_year_plus_minus, true)}</td>
      <td class="number">{figure(trend.in_a_year, trend.in_a_year_plus_minus)}</td>
    </>
  );
}

const later = (at: string) => (Number(at.slice(0, 4)) > new Date().getUTCFullYear() + 20 ? "later" : at.slice(0, 7));

const WIDTH = 150;
const HEIGHT = 26;

/** A small curve: one dot a shot, over time, with its error bar; the scale spans `least` at least. */
function Spark({ values, least, unit }: { values: Measured[]; least: number; unit: string }) {
  const times = values.map((one) => Date.parse(one.at));
  const all = values.map((one) => one.value);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const middle = (Math.min(...all) + Math.max(...all)) / 2;
  const half = Math.max(Math.max(...all) - Math.min(...all), least) / 2 * 1.2;
  const x = (at: number) => (to === from ? WIDTH / 2 : 4 + ((at - from) / (to - from)) * (WIDTH - 8));
  const y = (value: number) => HEIGHT / 2 - ((value - middle) / half) * (HEIGHT / 2 - 2);
  const label = `${values.length} shots, ${Math.min(...all).toFixed(3)} to ${Math.max(...all).toFixed(3)} ${unit}`;
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <title>{label}</title>
      {values.map((one, at) => {
        const [middleX, wide] = [x(times[at] ?? from), one.plus_minus ?? 0];
        return <><line x1={middleX} x2={middleX} y1={y(one.value - wide)} y2={y(one.value + wide)} /><circle cx={middleX} cy={y(one.value)} r={1.8} /></>;
      })}
    </svg>
  );
}
