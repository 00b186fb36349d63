// One incident: where to go, how sure, why, and what has been done.

import { useState } from "preact/hooks";
import type { Incident as Facts, LineDetail, Place, Service } from "../api";
import { ago, chainage, clock, coordinates, length, life, offset, placeInShort, plusMinus, spanName, STATES, words } from "../format";
import { Actions } from "./actions";
import { Closeup } from "./closeup";
import { Evidence } from "./evidence";
import { Losses } from "./losses";

interface Props {
  incident: Facts;
  line: LineDetail | null;
  /** The services that it touches. */
  services: Service[];
  now: number;
}

export function Incident({ incident, line, services, now }: Props) {
  return (
    <article class={`card incident ${incident.severity}`} data-incident={incident.id}>
      <p class="kicker">
        <span class="badge">{STATES[incident.severity].sign} {STATES[incident.severity].word}</span>
        {words(incident.kind)} · {life(incident.state)} · opened {clock(incident.opened, now)} UTC, {ago(incident.opened, now)}
      </p>
      <h2>{incident.headline}</h2>
      <Where place={incident.place} line={line} />
      {incident.permits.map((permit) => (
        <p class="warn" key={permit.id}>■ Planned work here until {clock(permit.until, now)} UTC: {permit.person}{permit.contact !== undefined && permit.contact !== "" && `, ${permit.contact}`}, <a href="#/work">{permit.id}</a>. People are at the cable.</p>
      ))}
      {incident.found !== null && <p>✓ Found at {chainage(incident.found.chainage_m)} ± {length(incident.found.plus_minus_m)} by {incident.found.who}{incident.place.chainage_m !== null && `, ${length(Math.abs(incident.found.chainage_m - incident.place.chainage_m))} from where it was told`}. <a href="#/calibration">How good the places are</a></p>}
      <Losses services={services} />
      <Evidence incident={incident} now={now} />
      <Actions incident={incident} line={line} />
      <History incident={incident} now={now} />
      <p class="dim small">
        updated {ago(incident.updated, now)} · <a href={`#/incident/${incident.id}`}>{incident.id}</a>
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
          <><dt>coordinates</dt><dd><a href={`geo:${place.lat.toFixed(5)},${place.lon.toFixed(5)}`}>{coordinates(place.lat, place.lon)}</a> <Copy text={coordinates(place.lat, place.lon)} /></dd></>
        )}
        {place.node !== null && place.chainage_m !== null && <><dt>route</dt><dd>{chainage(place.chainage_m)}</dd></>}
        {place.interval95_m !== null && (
          <><dt>95 % within</dt><dd>{place.interval95_m.map((at) => chainage(at)).join(" … ")}{place.interval50_m !== null && <span class="dim">, 50 % {place.interval50_m.map((at) => chainage(at)).join(" … ")}</span>}</dd></>
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

function Copy({ text }: { text: string }) {
  const [said, setSaid] = useState("Copy");
  const copy = () => navigator.clipboard.writeText(text).then(() => setSaid("Copied"), () => setSaid("Select and copy by hand"));
  return <button class="small no-print" onClick={copy} aria-live="polite">{said}</button>;
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

function History({ incident, now }: { incident: Facts; now: number }) {
  return (
    <ol class="history" tabIndex={0} aria-label="timeline, newest first">
      {incident.history.toReversed().map((entry) => (
        <li><time>{clock(entry.at, now)}</time> <b>{entry.who}</b> {entry.what}</li>
      ))}
    </ol>
  );
}
