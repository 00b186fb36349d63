// The surroundings of a fault at two scales: between its landmarks, and among its sources.

import type { LineDetail, Place, Source } from "../api";
import { length } from "../format";
import { sourceName } from "./evidence";

const WIDTH = 560;
const ROW = 17;
const LEFT = 8;
const GROUND = 34;
const DETAIL = 64;
/** Room for the sources' names. */
const NAMES = 190;

type Scale = (metres: number) => number;

export function Closeup({ place, line }: { place: Place; line: LineDetail }) {
  const middle = place.chainage_m ?? 0;
  const wide = betweenLandmarks(place, middle);
  const alone = place.sources.filter((source) => source.alone_m !== null);
  const near = amongSources(place, alone);
  const x = scale(wide, LEFT, WIDTH - LEFT);
  const height = near === null ? GROUND + 22 : DETAIL + 22 + ROW * alone.length;
  return (
    <svg class="closeup" viewBox={`0 0 ${WIDTH} ${height}`} role="img" aria-label="the fault and its surroundings, to scale">
      <line class="ground" x1={0} x2={WIDTH} y1={GROUND} y2={GROUND} />
      <Landmarks line={line} between={wide} x={x} />
      <Interval of={place.interval95_m} x={x} y={GROUND} kind="i95" />
      <Interval of={place.interval50_m} x={x} y={GROUND} kind="i50" />
      <path class="spot" d={`M${x(middle) - 6} ${GROUND - 15}L${x(middle)} ${GROUND - 4}L${x(middle) + 6} ${GROUND - 15}Z`} />
      <text class="scale" x={WIDTH - LEFT} y={GROUND + 16} text-anchor="end">{length(wide[1] - wide[0])} wide</text>
      {near !== null && <Detail place={place} sources={alone} between={near} funnel={near.map(x) as [number, number]} />}
    </svg>
  );
}

function Landmarks({ line, between: [from, to], x }: { line: LineDetail; between: [number, number]; x: Scale }) {
  const inside = [...line.landmarks, ...line.nodes].filter((mark) => mark.chainage_m >= from && mark.chainage_m <= to);
  return (
    <>
      {inside.map((mark) => (
        <g class="landmark">
          <line x1={x(mark.chainage_m)} x2={x(mark.chainage_m)} y1={GROUND - 7} y2={GROUND + 7} />
          <text x={x(mark.chainage_m)} y={GROUND - 12} text-anchor={x(mark.chainage_m) > WIDTH / 2 ? "end" : "start"}>{mark.name}</text>
        </g>
      ))}
    </>
  );
}

interface DetailProps {
  place: Place;
  sources: Source[];
  between: [number, number];
  /** Where the stretch stands in the picture above. */
  funnel: [number, number];
}

function Detail({ place, sources, between, funnel }: DetailProps) {
  const x = scale(between, NAMES, WIDTH - LEFT);
  const bottom = DETAIL + 4 + ROW * sources.length;
  return (
    <g>
      <path class="funnel" d={`M${funnel[0]} ${GROUND + 5}L${NAMES} ${DETAIL - 8}H${WIDTH - LEFT}L${funnel[1]} ${GROUND + 5}Z`} />
      <Interval of={place.interval95_m} x={x} y={DETAIL} kind="i95" />
      <Interval of={place.interval50_m} x={x} y={DETAIL} kind="i50" />
      <text x={LEFT} y={DETAIL + 4}>together</text>
      {sources.map((source, row) => {
        const y = DETAIL + ROW * (row + 1);
        const at = source.alone_m ?? 0;
        const half = source.plus_minus_m ?? 0;
        return (
          <g class="source">
            <line x1={x(at - half)} x2={x(at + half)} y1={y} y2={y} />
            <circle cx={x(at)} cy={y} r={3} />
            <text x={LEFT} y={y + 4}>{sourceName(source)}</text>
          </g>
        );
      })}
      <text class="scale" x={WIDTH - LEFT} y={bottom + 12} text-anchor="end">{length(between[1] - between[0])} wide</text>
    </g>
  );
}

const scale = ([from, to]: [number, number], left: number, right: number): Scale => (metres) =>
  left + (Math.min(Math.max((metres - from) / (to - from), 0), 1) * (right - left));

/** From landmark to landmark where both are near, else a few times the interval. */
function betweenLandmarks(place: Place, middle: number): [number, number] {
  const [lo, hi] = place.interval95_m ?? [middle, middle];
  const wide = Math.max((hi - lo) * 60, 3_000);
  const before = Math.min(Math.abs(place.before?.offset_m ?? wide) + 50, wide);
  const after = Math.min(Math.abs(place.after?.offset_m ?? wide) + 50, wide);
  return [Math.min(lo, middle - before), Math.max(hi, middle + after)];
}

/** The interval and what the sources that agree with it say, with a margin. */
function amongSources(place: Place, sources: Source[]): [number, number] | null {
  if (place.interval95_m === null || sources.length === 0) return null;
  const [lo, hi] = place.interval95_m;
  const reach = (hi - lo) * 5;
  const ends = sources.flatMap(({ alone_m: at, plus_minus_m: half }) => [(at ?? lo) - (half ?? 0), (at ?? hi) + (half ?? 0)]);
  const from = Math.max(Math.min(lo, ...ends), lo - reach);
  const to = Math.min(Math.max(hi, ...ends), hi + reach);
  const margin = Math.max((to - from) * 0.1, 1);
  return [from - margin, to + margin];
}

function Interval({ of, x, y, kind }: { of: [number, number] | null; x: Scale; y: number; kind: string }) {
  if (of === null) return null;
  return <rect class={kind} x={x(of[0])} y={y - 5} width={Math.max(x(of[1]) - x(of[0]), 2)} height={10} />;
}
