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
  const kept: DOMRect[] = [];
  const edge = map.getContainer().getBoundingClientRect().right;
  for (const element of byRank) {
    element.hidden = false;
    element.classList.remove("left");
    if (element.getBoundingClientRect().right > edge) element.classList.add("left");
    const box = element.getBoundingClientRect();
    element.hidden = kept.some((other) => touch(box, other));
    if (!element.hidden) kept.push(box);
  }
}

const touch = (a: DOMRect, b: DOMRect) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
