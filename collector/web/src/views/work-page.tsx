// Planned work: permits to work on fibres. While one stands nothing is shot into its fibres.

import { useEffect, useState } from "preact/hooks";
import type { GrantedPermit as Permit, LineDetail, PermitState } from "../api";
import * as client from "../client";
import { clock, duration } from "../format";
import type { Model } from "../model";
import { useSession } from "../session";

const STATES: Record<PermitState, { sign: string; word: string; rank: number }> = {
  standing: { sign: "■", word: "stands", rank: 0 },
  coming: { sign: "◷", word: "coming", rank: 1 },
  over: { sign: "✓", word: "over", rank: 2 },
  revoked: { sign: "✖", word: "taken back", rank: 2 },
};
/** Permits that are over and still listed. */
const PAST = 20;

export default function WorkPage({ model, now }: { model: Model; now: number }) {
  const session = useSession();
  const [permits, setPermits] = useState<Permit[] | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const again = () => client.all<Permit>("permits").then((found) => { setPermits(found); }, (error: Error) => setSaid(error.message));
  // An agent's word that it keeps a permit comes a moment after it was granted.
  useEffect(() => {
    void again();
    const timer = window.setInterval(() => void again(), 5_000);
    return () => window.clearInterval(timer);
  }, []);
  const run = (work: Promise<unknown>) => work.then(() => { setSaid(null); void again(); return true; }, (error: Error) => { setSaid(error.message); return false; });
  const sorted = (permits ?? []).toSorted((a, b) => STATES[a.state].rank - STATES[b.state].rank || b.from.localeCompare(a.from));
  const current = sorted.filter((permit) => STATES[permit.state].rank < 2);
  const past = sorted.filter((permit) => STATES[permit.state].rank === 2).slice(0, PAST);
  const may = session?.may_act === true;
  return (
    <main class="stack wide" tabIndex={0} aria-label="planned work">
      <section class="card scroll" tabIndex={0}>
        <h2>Planned work <span class="dim">{permits === null ? "asking…" : current.length === 0 ? "nothing stands or is coming" : `${current.length} ${current.length === 1 ? "permit stands or is" : "permits stand or are"} coming`}</span></h2>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
        {current.length > 0 && <Table permits={current} model={model} now={now} revoke={may ? (id) => void run(client.send(`permits/${id}`, "DELETE", {})) : null} />}
        <p class="dim small">While a permit stands no instrument shoots light into its fibres, and what happens there is expected. A site that has not said it keeps a permit may still shoot: call it before you open a closure.</p>
      </section>
      {may && <New lines={model.lines} send={(body) => run(client.send("permits", "POST", body))} named={session.user !== null} />}
      {past.length > 0 && <section class="card scroll" tabIndex={0}><h2>Before</h2><Table permits={past} model={model} now={now} revoke={null} /></section>}
    </main>
  );
}

function Table({ permits, model, now, revoke }: { permits: Permit[]; model: Model; now: number; revoke: ((id: string) => void) | null }) {
  const name = (id: string) => model.lines.find((line) => line.id === id)?.name ?? id;
  return (
    <table>
      <thead><tr><th scope="col">state</th><th scope="col">number</th><th scope="col">line and fibres</th><th scope="col">when, UTC</th><th scope="col">who works</th><th scope="col">what for</th><th scope="col">kept by</th>{revoke !== null && <th scope="col">end</th>}</tr></thead>
      <tbody>{permits.map((permit) => (
        <tr key={permit.id} data-permit={permit.id}>
          <td class="number"><b class={permit.state === "standing" ? "warn" : ""}>{STATES[permit.state].sign} {STATES[permit.state].word}</b></td>
          <td>{permit.id}</td>
          <td>{name(permit.line)}<br /><span class="dim">{permit.fibres.length === 0 ? "every fibre" : `fibres ${permit.fibres.join(", ")}`}</span></td>
          <td class="number">{clock(permit.from, now)} – {clock(permit.until, now)}<br /><span class="dim">{left(permit, now)}</span></td>
          <td>{permit.person}<br /><span class="dim">{permit.contact}</span></td>
          <td>{permit.reason}<br /><span class="dim">granted by {permit.granted_by}{permit.revoked_by !== null && `, taken back by ${permit.revoked_by}`}</span></td>
          <td><Kept permit={permit} /></td>
          {revoke !== null && <td><button aria-label={`take back ${permit.id}`} onClick={() => revoke(permit.id)}>Take back</button></td>}
        </tr>
      ))}</tbody>
    </table>
  );
}

/** Which sites have said that they keep it. */
function Kept({ permit }: { permit: Permit }) {
  const missing = permit.sites.filter((site) => !permit.kept_by.includes(site));
  if (permit.state === "over" || permit.state === "revoked") return <span class="dim">–</span>;
  if (missing.length === 0) return <span>✓ all {permit.sites.length} sites</span>;
  return <span class="warn">▲ not yet: {missing.join(", ")}</span>;
}

function left(permit: Permit, now: number): string {
  const seconds = (at: string) => (Date.parse(at) - now) / 1_000;
  if (permit.state === "standing") return `${duration(seconds(permit.until))} left`;
  return permit.state === "coming" ? `in ${duration(seconds(permit.from))}` : "";
}

interface NewProps {
  lines: LineDetail[];
  send: (body: Record<string, unknown>) => Promise<boolean>;
  /** Whether somebody has signed in, whose name it is. */
  named: boolean;
}

const EMPTY = { who: "", person: "", contact: "", line: "", fibres: "", from: "", hours: "4", reason: "" };

function New({ lines, send, named }: NewProps) {
  const [fields, setFields] = useState(EMPTY);
  const line = fields.line === "" ? lines[0]?.id ?? "" : fields.line;
  const hours = Number(fields.hours.replace(",", "."));
  const text = (key: keyof typeof EMPTY, label: string, hint = "") => (
    <label>{label} <input value={fields[key]} placeholder={hint} onInput={(event) => setFields({ ...fields, [key]: event.currentTarget.value })} /></label>
  );
  const whole = [fields.person, fields.contact, fields.reason].every((one) => one.trim() !== "") && (named || fields.who.trim() !== "") && hours > 0 && hours <= 744;
  const grant = async (event: Event) => {
    event.preventDefault();
    const from = fields.from === "" ? client.serverNow() : Date.parse(`${fields.from}:00Z`);
    const fibres = fields.fibres.split(/[\s,]+/).filter((fibre) => fibre !== "");
    const body = {
      person: fields.person, contact: fields.contact, reason: fields.reason, line, fibres,
      until: new Date(from + hours * 3_600_000).toISOString(), ...(fields.from === "" ? {} : { from: new Date(from).toISOString() }), ...(named ? {} : { who: fields.who }),
    };
    if (await send(body)) setFields({ ...EMPTY, who: fields.who });
  };
  return (
    <section class="card">
      <h2>Grant a permit</h2>
      <form class="fields" onSubmit={grant}>
        <label>Line <select value={line} onChange={(event) => setFields({ ...fields, line: event.currentTarget.value })}>{lines.map((one) => <option value={one.id}>{one.name}</option>)}</select></label>
        {text("fibres", "Fibres", "every one")}
        <label>From, UTC <input type="datetime-local" value={fields.from} aria-label="from, UTC; now where empty" onInput={(event) => setFields({ ...fields, from: event.currentTarget.value })} /></label>
        {text("hours", "For hours")}
        {text("person", "Who works")}
        {text("contact", "Telephone")}
        {text("reason", "What for")}
        {!named && text("who", "Granted by")}
        <button class="main" disabled={!whole}>Grant{fields.from === "" && ", from now"}</button>
      </form>
    </section>
  );
}
