// The open incidents, worst first, one line of type each.

import type { Incident, LineDetail, Service } from "../api";
import { ago, life, placeInShort, STATES } from "../format";
import { losses, touched } from "../services";

interface Props {
  incidents: Incident[];
  lines: LineDetail[];
  services: Service[];
  shown: Incident | null;
  now: number;
  select: (id: string) => void;
}

export function Incidents({ incidents, lines, services, shown, now, select }: Props) {
  return (
    <nav class="incidents" aria-label="open incidents">
      {incidents.map((incident) => (
        <button
          key={incident.id}
          class={`row ${incident.severity} ${incident.id === shown?.id ? "shown" : ""}`}
          aria-current={incident.id === shown?.id}
          onClick={() => select(incident.id)}
        >
          <span class="badge">{STATES[incident.severity].sign} {STATES[incident.severity].word}</span>
          <span class="headline">{incident.headline}</span>
          <Hurt services={touched(services, incident)} />
          <span class="dim place">{placeInShort(incident.place, nodesOf(lines, incident))}</span>
          <span class="dim right">{life(incident.state)} · opened {ago(incident.opened, now)}</span>
        </button>
      ))}
    </nav>
  );
}

/** Whom it hurts, in a few words. */
function Hurt({ services }: { services: Service[] }) {
  if (services.length === 0) return null;
  return <span class={services.some((service) => service.state === "down") ? "hurt critical" : "hurt major"}>{losses(services)}</span>;
}

const nodesOf = (lines: LineDetail[], incident: Incident) => lines.find((line) => line.id === incident.place.line)?.nodes;
