// What is over: who takes the shift reads what the night brought.

import { ago, life, STATES } from "../format";
import type { Model } from "../model";

export function Lately({ model, now }: { model: Model; now: number }) {
  const over = model.latest.filter((incident) => incident.state === "cleared" || incident.state === "closed");
  if (over.length === 0 || model.incidents.length === 0) return null;
  return (
    <section class="card lately">
      <h2>Over lately</h2>
      <ul>{over.map((incident) => (
        <li key={incident.id}>
          <span class="badge well">{STATES.well.sign} {life(incident.state)}</span> <a href={`#/incident/${incident.id}`}>{incident.headline}</a> <span class="dim">{ago(incident.cleared ?? incident.updated, now)}</span>
        </li>
      ))}</ul>
    </section>
  );
}
