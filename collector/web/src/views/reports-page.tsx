// A month on paper: availability of lines and services, repairs, every incident.

import { useEffect, useState } from "preact/hooks";
import type { Availability, IncidentMonth, MonthReport, Repairs } from "../api";
import * as client from "../client";
import { duration, STATES } from "../format";

export default function ReportsPage({ id, open }: { id: string | null; open: (id: string) => void }) {
  const month = id !== null && /^\d{4}-\d{2}$/.test(id) ? id : monthOf(client.serverNow());
  const [report, setReport] = useState<MonthReport | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    let stale = false;
    setReport(null);
    client.month(month).then(
      (found) => { if (!stale) { setReport(found); setSaid(null); } },
      (error: Error) => stale || setSaid(error.message),
    );
    return () => { stale = true; };
  }, [month]);
  return (
    <main class="stack wide paper" tabIndex={0} aria-label="report">
      <section class="card">
        <p class="tools no-print">
          <button onClick={() => open(shifted(month, -1))}>◀ Month before</button>
          <label>month <input type="month" value={month} max={monthOf(client.serverNow())} onChange={(event) => event.currentTarget.value !== "" && open(event.currentTarget.value)} /></label>
          <button disabled={month >= monthOf(client.serverNow())} onClick={() => open(shifted(month, 1))}>Month after ▶</button>
          <a class="right" href={`/api/v1/reports/${month}.csv`} download>CSV</a>
          <button onClick={() => window.print()}>Print</button>
        </p>
        <h2>Availability and faults, {named(month)}</h2>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
        {report === null && said === null && <p class="dim" role="status">Counting…</p>}
        {report !== null && <Head report={report} />}
      </section>
      {report !== null && <Body report={report} />}
    </main>
  );
}

function Head({ report }: { report: MonthReport }) {
  const whole = named(report.month);
  const unfinished = Date.parse(report.made) <= Date.parse(report.to);
  return (
    <>
      <p class="dim">{stamp(report.from)} to {stamp(report.to)} UTC{unfinished && `: ${whole} is not over`}. Made {stamp(report.made)} UTC by silkline.</p>
      <Figures repairs={report.repairs} />
    </>
  );
}

function Figures({ repairs }: { repairs: Repairs }) {
  const figures = [
    [String(repairs.faults), repairs.planned > 0 ? `incidents, ${repairs.planned} of them planned work` : "incidents"],
    [String(repairs.outages), "of them took light"],
    [time(repairs.mean_to_acknowledge_s), "until somebody took it, mean"],
    [time(repairs.mean_to_repair_s), `to repair (MTTR), mean of ${repairs.repaired}`],
    [time(repairs.mean_between_outages_s), "for each outage (MTBF)"],
  ] as const;
  return <ul class="figures">{figures.map(([number, what]) => <li><b>{number}</b> <span class="dim">{what}</span></li>)}</ul>;
}

function Body({ report }: { report: MonthReport }) {
  return (
    <>
      <section class="card scroll" tabIndex={0}>
        <table>
          <caption>Lines</caption>
          <thead><tr><th scope="col">line</th><Columns /><th scope="col">incidents</th><th scope="col">MTTR</th></tr></thead>
          <tbody>{report.lines.map((line) => (
            <tr key={line.line} data-line={line.line}>
              <td><b>{line.name}</b></td><Cells of={line.availability} /><td class="number">{line.repairs.faults}</td><td class="number">{time(line.repairs.mean_to_repair_s)}</td>
            </tr>
          ))}</tbody>
        </table>
      </section>
      {report.services.length > 0 && (
        <section class="card scroll" tabIndex={0}>
          <table>
            <caption>Services</caption>
            <thead><tr><th scope="col">service</th><Columns /><th scope="col">customer</th><th scope="col">protection</th></tr></thead>
            <tbody>{report.services.map((service) => (
              <tr key={service.service}>
                <td><b>{service.service}</b></td><Cells of={service.availability} /><td>{service.customer}</td><td>{service.protected ? "protected" : "unprotected"}</td>
              </tr>
            ))}</tbody>
          </table>
        </section>
      )}
      <section class="card scroll" tabIndex={0}>
        <table>
          <caption>Incidents that began in this month</caption>
          <thead><tr><th scope="col">began</th><th scope="col">lasted</th><th scope="col">severity</th><th scope="col">what</th><th scope="col">affected</th></tr></thead>
          <tbody>{report.incidents.map((one) => <Row key={one.id} one={one} />)}</tbody>
        </table>
        {report.incidents.length === 0 && <p class="dim">None.</p>}
      </section>
      <section class="card dim small">
        <p>A line or service counts as gone while a fault has taken the light of a path that it needs, from the first bad reading to the first good one; time in which nobody watched counts as available. Protected services are gone only while no way is left. Planned work is what a permit to work covers, on its line and in its time; the second figure leaves that time out. MTTR is from the first bad reading to the end, of incidents that are over and were not planned.</p>
      </section>
    </>
  );
}

function Columns() {
  return <><th scope="col">availability</th><th scope="col">without planned work</th><th scope="col">outages</th><th scope="col">gone</th><th scope="col">planned</th></>;
}

function Cells({ of }: { of: Availability }) {
  return (
    <>
      <td class="number"><b>{percent(of.share)}</b></td>
      <td class="number">{percent(of.share_without_planned)}</td>
      <td class="number">{of.outages}</td>
      <td class="number">{duration(of.unavailable_s)}</td>
      <td class="number">{of.planned_s > 0 ? duration(of.planned_s) : "–"}</td>
    </>
  );
}

function Row({ one }: { one: IncidentMonth }) {
  return (
    <tr>
      <td class="number">{stamp(one.from)}</td>
      <td class="number">{one.lasted_s === null ? "still open" : duration(one.lasted_s)}</td>
      <td><span class={`badge ${one.severity}`}>{STATES[one.severity].sign} {STATES[one.severity].word}</span></td>
      <td><a href={`#/incident/${one.id}`}>{one.headline}</a>{one.planned && <span class="dim"> · planned work</span>}</td>
      <td>{one.affected.join(", ")}</td>
    </tr>
  );
}

/** Enough digits to tell five nines from four, none that a month cannot know. */
const percent = (share: number | null) => (share === null ? "–" : `${(Math.floor(share * 1e5) / 1e3).toFixed(3)} %`);
const time = (seconds: number | null) => (seconds === null ? "–" : duration(seconds));
const stamp = (at: string) => at.slice(0, 16).replace("T", " ");
const monthOf = (now: number) => new Date(now).toISOString().slice(0, 7);

function shifted(month: string, by: number): string {
  const [year, number] = month.split("-").map(Number);
  return monthOf(Date.UTC(year ?? 1970, (number ?? 1) - 1 + by, 1));
}

const named = (month: string) => new Date(`${month}-01T00:00:00Z`).toLocaleDateString("en-GB", { month: "long", year: "numeric", timeZone: "UTC" });
