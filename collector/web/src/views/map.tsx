// The corridor on a map that needs no internet: land from Natural Earth, lines from the plant file.

import L from "leaflet";
import { useEffect, useRef, useState } from "preact/hooks";
import { feature } from "topojson-client";
import landUrl from "world-atlas/land-50m.json?url";
import type { Incident, LineDetail, LineState } from "../api";
import { chainage, placeLabel, STATES } from "../format";
import { at, stretch } from "../route";
import { declutter, label } from "./labels";

interface Props {
  lines: LineDetail[];
  incidents: Incident[];
  shown: Incident | null;
  select: (id: string) => void;
}

/** Colour, width and dashes: a line's state shows in all three. */
const PEN: Record<LineState, L.PolylineOptions> = {
  critical: { color: "#ff5c52", weight: 5, dashArray: "3 7" },
  major: { color: "#ff9d3c", weight: 5, dashArray: "12 5" },
  minor: { color: "#f2d03f", weight: 4, dashArray: "12 5" },
  warning: { color: "#7cb8ff", weight: 4 },
  no_data: { color: "#77828e", weight: 3, dashArray: "1 7" },
  well: { color: "#4fa596", weight: 3 },
};

/** When the land is asked for again. */
const LAND_AGAIN_MS = 5_000;
/** Landmarks this near to the shown fault stand on the map, once it is zoomed to. */
const NEAR_M = 12_000;
const NEAR_ZOOM = 9.5;
/** More huts than this stand on the map only once it is zoomed to. */
const MANY_NODES = 300;
const CLOSE_ZOOM = 8;

export function Map(props: Props) {
  const element = useRef<HTMLDivElement>(null);
  const map = useRef<L.Map | null>(null);
  const layer = useRef<L.LayerGroup | null>(null);
  const [near, setNear] = useState(false);
  const [close, setClose] = useState(false);
  useEffect(() => {
    if (element.current === null) return undefined;
    const made = makeMap(element.current);
    map.current = made;
    layer.current = L.layerGroup().addTo(made);
    made.on("zoomend moveend", () => declutter(made));
    made.on("zoomend", () => {
      setNear(made.getZoom() >= NEAR_ZOOM);
      setClose(made.getZoom() >= CLOSE_ZOOM);
    });
    const resized = new ResizeObserver(() => made.invalidateSize());
    resized.observe(element.current);
    return () => {
      resized.disconnect();
      made.remove();
    };
  }, []);

  const showAll = () => {
    const points = props.lines.flatMap((line) => line.route.map(([lat, lon]) => L.latLng(lat, lon)));
    if (points.length > 1) map.current?.fitBounds(L.latLngBounds(points), { paddingTopLeft: [40, 46], paddingBottomRight: [80, 40], animate: false });
  };
  // A new plant moves the view; new states do not: nobody likes a map that jumps.
  useEffect(showAll, [props.lines.map((line) => line.id).join()]);

  // Samples come every second; what is drawn changes with states and incidents alone.
  const picture = JSON.stringify([
    props.lines.map((line) => [line.id, line.state, line.spans.map((span) => span.state)]),
    props.incidents.map((incident) => [incident.id, incident.updated]),
    props.shown?.id,
  ]);
  useEffect(() => {
    if (layer.current === null || map.current === null) return;
    layer.current.clearLayers();
    for (const line of props.lines) drawLine(layer.current, line);
    drawSites(layer.current, props.lines, close);
    if (near) drawLandmarks(layer.current, props);
    for (const incident of props.incidents) drawFault(layer.current, incident, props);
    declutter(map.current);
  }, [picture, near, close]);

  const goTo = () => {
    const spot = props.shown?.place;
    if (spot?.lat != null && spot.lon != null) map.current?.flyTo([spot.lat, spot.lon], 11.5, { duration: 0.6 });
  };
  return (
    <section class="map">
      <div ref={element} class="leaflet" role="region" aria-label="map of the lines" />
      <p class="zoom">
        {props.shown?.place.lat != null && <button onClick={goTo}>Zoom to fault</button>}
        <button onClick={showAll}>Show all</button>
      </p>
    </section>
  );
}

function makeMap(element: HTMLElement): L.Map {
  const map = L.map(element, { attributionControl: false, zoomSnap: 0.25, minZoom: 3, maxZoom: 15 });
  map.setView([41.5, 47.5], 6);
  map.createPane("land").classList.add("land");
  const renderer = L.canvas({ pane: "land", padding: 0.5 });
  void drawLand(map, element, renderer);
  L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
  return map;
}

/** Draws the land below everything; where it cannot be fetched now, it is asked for again. */
async function drawLand(map: L.Map, element: HTMLElement, renderer: L.Renderer): Promise<void> {
  // Fill only: the outline of this data set draws a stray line at the antimeridian.
  const style = { stroke: false, fill: true, fillColor: "#242d37", fillOpacity: 1, interactive: false, renderer };
  do {
    const land = await fetch(landUrl).then((answer) => answer.json()).catch(() => null);
    if (land !== null && element.isConnected) {
      L.geoJSON(feature(land, land.objects.land), { style, interactive: false, pane: "land" }).addTo(map);
      element.dataset.land = "drawn";
      return;
    }
    await new Promise((again) => setTimeout(again, LAND_AGAIN_MS));
  } while (element.isConnected);
}

function drawLine(layer: L.LayerGroup, line: LineDetail): void {
  const whole = line.route.map(([lat, lon]): [number, number] => [lat, lon]);
  L.polyline(whole, { color: "#0b0f14", weight: 9, opacity: 0.6, interactive: false }).addTo(layer);
  // Where nobody reports, a span is as unknown as its line. What is well is one stroke: of fifty lines
  // there are a thousand spans, and the map moves with all of them.
  const calm: LineState = line.state === "no_data" ? "no_data" : "well";
  const pieces = line.spans.filter((span) => span.state === "well").map((span) => stretch(line.route, span.from_m, span.to_m));
  const draw = (points: [number, number][] | [number, number][][], state: LineState, what: string) =>
    L.polyline(points, { ...PEN[state], lineCap: "round" }).bindTooltip(`${line.name}${what}: ${STATES[state].sign} ${STATES[state].word}`, { sticky: true }).addTo(layer);
  if (pieces.length > 0) draw(pieces, calm, "");
  for (const span of line.spans) {
    if (span.state !== "well") draw(stretch(line.route, span.from_m, span.to_m), span.state, `, ${span.from} – ${span.to}`);
  }
}

function drawSites(layer: L.LayerGroup, lines: LineDetail[], close: boolean): void {
  const seen = new Set<string>();
  const all = lines.flatMap((line) => line.nodes);
  // From afar a large network is its ends.
  const nodes = close || all.length <= MANY_NODES ? all : all.filter((node) => node.kind === "terminal");
  for (const node of nodes.toSorted((a, b) => importance(b.kind) - importance(a.kind))) {
    const key = node.site ?? node.name;
    if (node.lat === null || node.lon === null || seen.has(key)) continue;
    seen.add(key);
    const big = node.kind === "terminal";
    const dot = { radius: big ? 5 : 3, color: "#0b0f14", weight: 1.5, fillColor: "#d7dee6", fillOpacity: 1 };
    L.circleMarker([node.lat, node.lon], dot).bindTooltip(`${node.name} (${node.kind})`).addTo(layer);
    if (node.kind !== "repeater") label([node.lat, node.lon], node.name, big ? "site" : "site small", importance(node.kind)).addTo(layer);
  }
}

/** The landmarks around the fault that is shown: what a crew looks for. */
function drawLandmarks(layer: L.LayerGroup, { lines, shown }: Props): void {
  const place = shown?.place;
  const middle = place?.chainage_m ?? null;
  const line = lines.find((line) => line.id === place?.line);
  if (line === undefined || middle === null) return;
  for (const mark of line.landmarks) {
    if (mark.lat === null || mark.lon === null || Math.abs(mark.chainage_m - middle) > NEAR_M) continue;
    const dot = { radius: 2.5, stroke: false, fillColor: "#aeb9c5", fillOpacity: 1 };
    L.circleMarker([mark.lat, mark.lon], dot).bindTooltip(`${mark.name} (${mark.kind}), ${chainage(mark.chainage_m)}`).addTo(layer);
    label([mark.lat, mark.lon], mark.name, "site small", 0.5).addTo(layer);
  }
}

const importance = (kind: string) => (kind === "terminal" ? 2 : kind === "repeater" ? 0 : 1);

function drawFault(layer: L.LayerGroup, incident: Incident, { lines, shown, select }: Props): void {
  const place = incident.place;
  const line = lines.find((line) => line.id === place.line);
  if (line === undefined || place.chainage_m === null) return;
  const [from, to] = place.interval95_m ?? [place.chainage_m, place.chainage_m];
  L.polyline(stretch(line.route, from, to), { color: "#ffffff", weight: 9, opacity: 0.85, lineCap: "butt" }).addTo(layer);
  const spot = place.lat !== null && place.lon !== null ? ([place.lat, place.lon] as [number, number]) : at(line.route, place.chainage_m);
  if (spot === null) return;
  const ring = { radius: shown?.id === incident.id ? 13 : 9, color: "#ffffff", weight: 2.5, fill: true, fillOpacity: 0.05 };
  const name = `${STATES[incident.severity].sign} ${placeLabel(place, line.nodes)}`;
  L.circleMarker(spot, ring).on("click", () => select(incident.id)).addTo(layer);
  L.circleMarker(spot, { radius: 3, stroke: false, fillColor: "#ffffff", fillOpacity: 1, interactive: false }).addTo(layer);
  label(spot, name, `fault ${incident.severity}`, 9).addTo(layer);
}
