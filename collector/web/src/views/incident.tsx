// One incident: where to go, how sure, why, and what has been done.

import { useState } from "preact/hooks";
import type { Incident as Facts, LineDetail, Place } from "../api";
import * as client from "../client";
import { ago, chainage, clock, coordinates, length, life, offset, placeInShort, plusMinus, spanName, STATES, words } from "../format";
import { Closeup } from "./closeup";
import { Evidence } from "./evidence";

interface Props {
  incident: Facts;
  line: LineDetail | null;
  now: number;
}

export function Incident({ incident, line, now }: Props) {
  return (
    <article class={`card incident ${incident.severity}`} data-incident={incident.id}>
      <p class="kicker">
        <span class="badge">{STATES[incident.severity].sign} {STATES[incident.severity].word}</span>
        {words(incident.kind)} · {life(incident.state)} · opened {clock(incident.opened, now)} UTC, {ago(incident.opened, now)}
      </p>
      <h2>{incident.headline}</h2>
      <Where place={incident.place} line={line} />
      <Evidence incident={incident} now={now} />
      <Actions incident={incident} />
      <History incident={incident} now={now} />
      <p class="dim small">
        updated {ago(incident.updated, now)} · {incident.id}
        {incident.affected.length > 0 && ` · affects ${incident.affected.join(", ")}`}
      </p>
    </article>
  );
}

function Where({ place, line }: { place: Place; line: LineDetail | null }) {
  // At a node the node's name says more than its chainage.
  const spot = place.node === null ? place.chainage_m : null;
  return (
    <section class="where-to-go">
      <p class="big" data-place={place.span ?? place.node ?? ""}>
        {spot === null ? placeInShort(place, line?.nodes) : chainage(spot)}
        {spot !== null && place.interval95_m !== null && (
          <small> ± {length(plusMinus(spot, place.interval95_m))} <span class="dim">(95 %)</span></small>
        )}
      </p>
      <dl>
        <dt>line</dt>
        <dd>{line?.name ?? place.line}{spot !== null && place.span !== null && `, span ${spanName(place.span, line?.nodes)}`}</dd>
        {spot !== null && place.before !== null && <><dt>landmarks</dt><dd>{offset(place.before.landmark, place.before.offset_m)}</dd></>}
        {spot !== null && place.after !== null && <><dt /><dd>{offset(place.after.landmark, place.after.offset_m)}</dd></>}
        {place.post !== null && <><dt>post</dt><dd>{place.post}</dd></>}
        {place.lat !== null && place.lon !== null && (
          <><dt>coordinates</dt><dd><a href={`geo:${place.lat.toFixed(5)},${place.lon.toFixed(5)}`}>{coordinates(place.lat, place.lon)}</a></dd></>
        )}
        {place.node !== null && place.chainage_m !== null && <><dt>route</dt><dd>{chainage(place.chainage_m)}</dd></>}
        {place.interval95_m !== null && (
          <><dt>95 % within</dt><dd>{place.interval95_m.map((at) => chainage(at)).join(" … ")}</dd></>
        )}
        {place.depth_m !== null && <><dt>depth</dt><dd>{place.depth_m.toFixed(1)} m</dd></>}
        {place.fibres_watched > 0 && <><dt>fibres dark</dt><dd>{place.fibres_dark} of {place.fibres_watched} watched</dd></>}
      </dl>
      {!place.consistent && <p class="warn">▲ The sources contradict one another: see each candidate.</p>}
      <Candidates place={place} />
      {line !== null && spot !== null && <Closeup place={place} line={line} />}
      {place.notes.map((note) => <p class="dim small">{note}</p>)}
    </section>
  );
}

function Candidates({ place }: { place: Place }) {
  if (place.candidates.length < 2) return null;
  return (
    <ul class="candidates">
      {place.candidates.map((one) => (
        <li>
          {chainage(one.chainage_m)} ± {length(plusMinus(one.chainage_m, one.interval95_m))}, weight {(one.weight * 100).toFixed(0)} %,
          from {one.sources.join(", ")}
        </li>
      ))}
    </ul>
  );
}

const WHO = "silkline.who";

function Actions({ incident }: { incident: Facts }) {
  const [who, setWho] = useState(() => window.localStorage.getItem(WHO) ?? "");
  const [text, setText] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const [sure, setSure] = useState(false);
  const act = async (action: "acknowledge" | "note" | "repairing" | "close") => {
    window.localStorage.setItem(WHO, who);
    try {
      await client.act(incident.id, action, who.trim(), text.trim());
      setText("");
      setSaid(null);
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    }
  };
  const nameless = who.trim() === "";
  return (
    <form class="actions" onSubmit={(event) => event.preventDefault()}>
      <input aria-label="your name" placeholder="your name" value={who} onInput={(event) => setWho(event.currentTarget.value)} />
      <input aria-label="note" class="note" placeholder="note" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      {incident.state === "open" && <button class="main" disabled={nameless} onClick={() => act("acknowledge")}>Acknowledge</button>}
      {incident.state === "acknowledged" && <button disabled={nameless} onClick={() => act("repairing")}>Under repair</button>}
      <button disabled={nameless || text.trim() === ""} onClick={() => act("note")}>Add note</button>
      {incident.state !== "closed" && (
        <button disabled={nameless} onClick={() => (sure ? act("close") : setSure(true))} onBlur={() => setSure(false)}>
          {sure ? "Really close?" : "Close"}
        </button>
      )}
      {said !== null && <p class="warn" role="alert">▲ {said}</p>}
    </form>
  );
}

function History({ incident, now }: { incident: Facts; now: number }) {
  return (
    <ol class="history">
      {incident.history.toReversed().map((entry) => (
        <li><time>{clock(entry.at, now)}</time> <b>{entry.who}</b> {entry.what}</li>
      ))}
    </ol>
  );
}
