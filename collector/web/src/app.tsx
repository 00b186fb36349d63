// The one page: where it hurts on the left, what to do about it on the right.

import { useIncident, useModel, useNow, useSelection } from "./model";
import { Calm } from "./views/calm";
import { Devices } from "./views/devices";
import { Diagrams } from "./views/diagram";
import { Header } from "./views/header";
import { Incident } from "./views/incident";
import { Incidents } from "./views/incidents";
import { Map } from "./views/map";

export function App() {
  const model = useModel();
  const now = useNow();
  const [selected, select] = useSelection();
  // The worst incident explains itself without a click; anything else is a choice.
  const shown = useIncident(selected, model) ?? model.incidents[0] ?? null;
  const line = model.lines.find((line) => line.id === shown?.place.line) ?? null;
  const old = model.loaded && (!model.live || model.trouble !== null);
  return (
    <div class={old ? "page old" : "page"}>
      <Header model={model} now={now} />
      <main class="where">
        <Map lines={model.lines} incidents={model.incidents} shown={shown} select={select} />
        <Diagrams lines={model.lines} incidents={model.incidents} shown={shown} now={now} select={select} />
      </main>
      <aside class="what">
        {model.loaded && model.incidents.length === 0 && <Calm model={model} now={now} />}
        {model.incidents.length > 1 && <Incidents incidents={model.incidents} lines={model.lines} shown={shown} now={now} select={select} />}
        {shown !== null && <Incident key={shown.id} incident={shown} line={line} now={now} />}
        <Devices devices={model.devices} now={now} />
      </aside>
    </div>
  );
}
