// The overview: where it hurts on the left, what to do about it on the right.

import "leaflet/dist/leaflet.css";
import { useIncident, type Model } from "../model";
import { touched } from "../services";
import { Lately } from "./lately";
import { Calm } from "./calm";
import { Devices } from "./devices";
import { Diagrams } from "./diagram";
import { Incident } from "./incident";
import { Incidents } from "./incidents";
import { Map } from "./map";

interface Props {
  model: Model;
  now: number;
  selected: string | null;
  select: (id: string) => void;
}

export default function Overview(props: Props) {
  const { loaded, trouble } = props.model;
  // All at once: a card that comes later would push away what somebody is reading.
  return loaded ? <Known {...props} /> : <p class="boot dim" role="status">{trouble ?? "Asking the collector…"}</p>;
}

function Known({ model, now, selected, select }: Props) {
  // The worst incident explains itself without a click; anything else is a choice.
  const shown = useIncident(selected, model) ?? model.incidents[0] ?? null;
  const line = model.lines.find((line) => line.id === shown?.place.line) ?? null;
  return (
    <>
      <main class="where">
        <Map lines={model.lines} incidents={model.incidents} shown={shown} select={select} />
        <Diagrams lines={model.lines} incidents={model.incidents} shown={shown} now={now} select={select} />
      </main>
      <aside class="what" tabIndex={0} aria-label="what is open">
        {model.incidents.length === 0 && <Calm model={model} now={now} />}
        {model.incidents.length > 1 && <Incidents incidents={model.incidents} lines={model.lines} services={model.services} shown={shown} now={now} select={select} />}
        {shown !== null && <Incident key={shown.id} incident={shown} line={line} services={touched(model.services, shown)} now={now} />}
        <Lately model={model} now={now} />
        <Devices devices={model.devices} now={now} />
      </aside>
    </>
  );
}
