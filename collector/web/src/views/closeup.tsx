// The surroundings of a fault to scale: landmarks, both intervals, and what each source says alone.

import type { LineDetail, Place } from "../api";
import { length, words } from "../format";

const WIDTH = 560;
const ROW = 17;
const LEFT = 8;
const TOP = 34;

export function Closeup({ place, line }: { place: Place; line: LineDetail }) {
  const middle = place.chainage_m ?? 0;
  const alone = place.sources.filter((source) => source.alone_m !== null);
  const [from, to] = extent(place, middle);
  const x = (metres: number) => LEFT + ((metres - from) / (to - from)) * (WIDTH - 2 * LEFT);
  const near = [...line.landmarks, ...line.nodes].filter((mark) => mark.chainage_m >= from && mark.chainage_m <= to);
  const height = TOP + 22 + ROW * alone.length;
  return (
    <svg class="closeup" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label="the fault and its surroundings, to scale">
      <line class="ground" x1={0} x2={WIDTH} y1={TOP} y2={TOP} />
      {near.map((mark) => {
        const at = x(mark.chainage_m);
        const side = at > WIDTH / 2 ? "end" : "start";
        return (
          <g class="landmark">
            <line x1={at} x2={at} y1={TOP - 7} y2={TOP + 7} />
            <text x={at} y={TOP - 12} text-anchor={side}>{mark.name}</text>
          </g>
        );
      })}
      <Interval of={place.interval95_m} x={x} kind="i95" />
      <Interval of={place.interval50_m} x={x} kind="i50" />
      <path class="spot" d={`M${x(middle) - 6} ${TOP - 15}L${x(middle)} ${TOP - 4}L${x(middle) + 6} ${TOP - 15}Z`} />
      {alone.map((source, row) => {
        const y = TOP + 20 + ROW * row;
        const half = source.plus_minus_m ?? 0;
        const at = source.alone_m ?? middle;
        return (
          <g class="source">
            <line x1={x(Math.max(at - half, from))} x2={x(Math.min(at + half, to))} y1={y} y2={y} />
            <circle cx={x(Math.min(Math.max(at, from), to))} cy={y} r={3} />
            <text x={LEFT} y={y + 4}>{words(source.kind)} {source.id}</text>
          </g>
        );
      })}
      <text class="scale" x={WIDTH - LEFT} y={height - 3} text-anchor="end">{length(to - from)} wide</text>
    </svg>
  );
}

/** From landmark to landmark where both are near, else a few times the interval. */
function extent(place: Place, middle: number): [number, number] {
  const [lo, hi] = place.interval95_m ?? [middle, middle];
  const reach = Math.max((hi - lo) * 2, 200);
  const before = place.before === null ? reach : Math.abs(place.before.offset_m) + 50;
  const after = place.after === null ? reach : Math.abs(place.after.offset_m) + 50;
  const wide = Math.max((hi - lo) * 60, 3_000);
  return [Math.min(lo - reach / 4, middle - Math.min(before, wide)), Math.max(hi + reach / 4, middle + Math.min(after, wide))];
}

function Interval({ of, x, kind }: { of: [number, number] | null; x: (metres: number) => number; kind: string }) {
  if (of === null) return null;
  return <rect class={kind} x={x(of[0])} y={TOP - 5} width={Math.max(x(of[1]) - x(of[0]), 2)} height={10} />;
}
