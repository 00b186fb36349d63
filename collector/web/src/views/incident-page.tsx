// The incident alone: what a mail leads to and a crew opens at the roadside. It fetches one incident
// and its line; map and trace come when there is room, or when somebody asks.

import { useEffect, useState } from "preact/hooks";
import type { Incident as Facts, LineDetail, Service } from "../api";
import * as client from "../client";
import { duration, STATES } from "../format";
import { lazy } from "../lazy";
import { listen } from "../live";
import { useNow } from "../model";
import { Diagram } from "./diagram";
import { Incident } from "./incident";

const Map = lazy(() => import("./incident-map"));
const Shot = lazy(() => import("./trace/shot"));

/** Room for map and trace without asking. */
const WIDE = "(min-width: 900px)";

export function IncidentPage({ id }: { id: string }) {
  const now = useNow();
  const { incident, line, services, said, live, heardAt } = useOne(id);
  const [more, setMore] = useState(() => window.matchMedia(WIDE).matches);
  useEffect(() => {
    if (incident !== null) document.title = `${STATES[incident.severity].sign} ${incident.headline}`;
  }, [incident?.headline]);
  return (
    <div class={live ? "single" : "single old"}>
      <header class={`bar ${incident?.severity ?? "no_data"}`}>
        <h1><a href="#/overview">silkline</a></h1>
        <p class={live ? "heard" : "heard lost"}>{live ? "● live" : `○ not connected, what you see is ${duration((now - heardAt) / 1_000)} old`}</p>
        <button class="no-print" onClick={() => window.print()}>Print</button>
      </header>
      <main>
        {said !== null && <p class="card warn" role="alert">▲ {said}</p>}
        {incident !== null && <Incident incident={incident} line={line} services={services} now={now} />}
        {incident !== null && line !== null && (
          <section class="card"><Diagram line={line} incidents={[incident]} shown={incident} now={now} select={() => undefined} lines={[line]} /></section>
        )}
        {incident !== null && <Forms id={id} />}
        {!more && <button class="no-print" onClick={() => setMore(true)}>Show map and trace</button>}
        {more && incident !== null && line !== null && <Map incident={incident} line={line} />}
        {more && incident !== null && <Shot incident={incident} />}
      </main>
    </div>
  );
}

/** The same facts for other programs: a map on the phone, a ticket, a mail. */
function Forms({ id }: { id: string }) {
  const forms = [["txt", "text"], ["kml", "KML for a map"], ["geojson", "GeoJSON"], ["svg", "picture"], ["json", "JSON"]] as const;
  return (
    <p class="card forms no-print">
      Take along: {forms.map(([form, name]) => <a href={`/api/v1/incidents/${encodeURIComponent(id)}/alert.${form}`}>{name}</a>)}
    </p>
  );
}

interface One {
  incident: Facts | null;
  line: LineDetail | null;
  services: Service[];
  said: string | null;
  live: boolean;
  heardAt: number;
}

/** One incident and its line, kept fresh. */
function useOne(id: string): One {
  const [one, setOne] = useState<One>({ incident: null, line: null, services: [], said: null, live: false, heardAt: client.serverNow() });
  useEffect(() => {
    const change = (part: Partial<One>) => setOne((known) => ({ ...known, ...part }));
    const fetchIt = async () => {
      try {
        const incident = await client.incident(id);
        change({ incident, said: null, heardAt: client.serverNow() });
        const [line, services] = await Promise.all([client.line(incident.place.line), client.servicesOf(id)]);
        change({ line, services });
      } catch (error) {
        change({ said: error instanceof Error ? error.message : String(error) });
      }
    };
    void fetchIt();
    return listen({
      event(name, data) {
        if (name === "refetch") void fetchIt();
        else if ((data as Facts).id === id) {
          change({ incident: data as Facts, heardAt: client.serverNow() });
          client.servicesOf(id).then((services) => change({ services }), () => undefined);
        }
      },
      beat: () => change({ heardAt: client.serverNow() }),
      opened() { change({ live: true }); void fetchIt(); },
      lost: () => change({ live: false }),
    }, ["incident"]);
  }, [id]);
  return one;
}
