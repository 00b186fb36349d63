// A place on the map that belongs to no incident yet.

import "leaflet/dist/leaflet.css";
import type { Incident, LineDetail, Place } from "../api";
import { Map } from "./map";

export default function PlaceMap({ place, line }: { place: Place; line: LineDetail }) {
  const shown: Incident = {
    id: "roadside", lines: [line.id], related: [], cause: "", state: "open", severity: "critical", kind: "break", opened: "", updated: `${place.chainage_m}`,
    cleared: null, headline: "what the handheld saw", place, evidence: [], anomalies: [], affected: [], permits: [], found: null, history: [],
  };
  return <Map lines={[line]} incidents={[shown]} shown={shown} select={() => undefined} />;
}
