// The map of one incident.

import "leaflet/dist/leaflet.css";
import type { Incident, LineDetail } from "../api";
import { Map } from "./map";

export default function IncidentMap({ incident, line }: { incident: Incident; line: LineDetail }) {
  return <Map lines={[line]} incidents={[incident]} shown={incident} select={() => undefined} />;
}
