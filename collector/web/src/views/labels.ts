// Names on the map that never lie on one another: the more important one stays.

import L from "leaflet";

/** A name beside a place; a higher rank wins where two meet. */
export function label(at: L.LatLngExpression, text: string, kind: string, rank: number): L.Marker {
  const element = document.createElement("span");
  element.textContent = text;
  element.className = `label ${kind}`;
  element.dataset.rank = String(rank);
  const icon = L.divIcon({ html: element, className: "label-anchor", iconSize: [0, 0] });
  return L.marker(at, { icon, interactive: false, keyboard: false });
}

/** Hides every label that would touch a more important one; at the right edge they go to the left. */
export function declutter(map: L.Map): void {
  const labels = [...map.getPane("markerPane")?.querySelectorAll<HTMLElement>(".label") ?? []];
  const byRank = labels.toSorted((a, b) => Number(b.dataset.rank) - Number(a.dataset.rank));
  const frame = map.getContainer().getBoundingClientRect();
  // Written, then measured, then written: between the two the browser lays the page out once.
  for (const element of byRank) {
    element.hidden = false;
    element.classList.remove("left");
  }
  const boxes = byRank.map((element): Box => {
    const box = element.getBoundingClientRect();
    const gap = element.classList.contains("fault") ? 12 : 9;
    const left = box.right > frame.right;
    const shift = left ? box.width + 2 * gap : 0;
    return { left: box.left - shift, right: box.right - shift, top: box.top, bottom: box.bottom, turned: left };
  });
  const kept: Box[] = [];
  byRank.forEach((element, at) => {
    const box = boxes[at];
    if (box === undefined) return;
    element.hidden = !touch(box, frame) || kept.some((other) => touch(box, other));
    element.classList.toggle("left", box.turned);
    if (!element.hidden) kept.push(box);
  });
}

interface Edges {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

interface Box extends Edges {
  /** Whether the name stands to the left of its place. */
  turned: boolean;
}

const touch = (a: Edges, b: Edges) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
