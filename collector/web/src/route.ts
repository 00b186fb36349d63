// Places on a line's geometry: from chainage to coordinates, and a stretch as a polyline.

/** A vertex: latitude, longitude, chainage in metres; chainage never falls. */
export type Vertex = [number, number, number];

/** The coordinates at `metres` of chainage; the nearer end outside the route. */
export function at(route: Vertex[], metres: number): [number, number] | null {
  const after = route.findIndex((vertex) => vertex[2] >= metres);
  const end = after === -1 ? route.at(-1) : route[after];
  const start = after > 0 ? route[after - 1] : undefined;
  if (end === undefined) return null;
  if (start === undefined || after === -1) return [end[0], end[1]];
  const share = (metres - start[2]) / Math.max(end[2] - start[2], 1e-9);
  return [start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])];
}

/** The stretch between two chainages, its ends included. */
export function stretch(route: Vertex[], from: number, to: number): [number, number][] {
  const between = route.filter((vertex) => vertex[2] > from && vertex[2] < to);
  const ends = [at(route, from), at(route, to)];
  const [first, last] = ends;
  if (first == null || last == null) return [];
  return [first, ...between.map((vertex): [number, number] => [vertex[0], vertex[1]]), last];
}
