// Each line as a straight line to scale: nodes, spans with their state, landmarks, faults.

import type { Incident, LineDetail, LineState, Node, Span } from "../api";
import { ageSeconds, chainage, duration, length, placeLabel, STATES } from "../format";
import { still } from "../still";

interface Props {
  lines: LineDetail[];
  incidents: Incident[];
  shown: Incident | null;
  now: number;
  select: (id: string) => void;
}

const WIDTH = 1000;
const HEIGHT = 62;
const MARGIN = 26;
const Y = 30;
/** Newest data older than this look stale; a poll is 1 s to some 30 s. */
const STALE_S = 60;

/** With more lines than this the troubled ones come first: nobody scrolls at night. */
const MANY_LINES = 8;

export function Diagrams(props: Props) {
  const worst = (line: LineDetail) => STATES[line.state].rank;
  const lines = props.lines.length > MANY_LINES ? props.lines.toSorted((a, b) => worst(a) - worst(b)) : props.lines;
  return (
    <section class={props.lines.length > MANY_LINES ? "diagrams many" : "diagrams"} tabIndex={0} aria-label="lines to scale">
      {lines.map((line) => <Diagram key={line.id} line={line} {...props} />)}
    </section>
  );
}

export function Diagram({ line, incidents, shown, now, select }: Props & { line: LineDetail }) {
  const age = ageSeconds(line.newest, now);
  const stale = age === null || age > STALE_S;
  const faults = incidents.filter((incident) => incident.place.line === line.id);
  return (
    <figure class={stale ? "diagram stale" : "diagram"} data-line={line.id}>
      <figcaption>
        <span class={`state ${line.state}`}>{STATES[line.state].sign} {STATES[line.state].word}</span>
        <b>{line.name}</b> <span class="dim">{length(line.length_m)}</span>
        <span class="right dim">{age === null ? "no data yet" : `data ${duration(age)} old`}{stale && " · stale"}</span>
      </figcaption>
      <Picture line={line} faults={faults} shown={shown?.id ?? null} select={select} />
    </figure>
  );
}

type Scale = (metres: number) => number;

interface PictureProps {
  line: LineDetail;
  faults: Incident[];
  shown: string | null;
  select: Props["select"];
}

/** The line itself: everything but the age of its data, which changes every second. */
const Picture = still(function Picture({ line, faults, shown, select }: PictureProps) {
  const x = (metres: number) => MARGIN + (metres / Math.max(line.length_m, 1)) * (WIDTH - 2 * MARGIN);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${line.name}, ${STATES[line.state].word}`}>
      <Landmarks line={line} x={x} />
      {line.spans.map((span) => <Stretch span={span} line={line.state} x={x} />)}
      {line.nodes.map((node) => <Mark node={node} x={x(node.chainage_m)} />)}
      <Names nodes={line.nodes} x={x} />
      {faults.map((incident) => (
        <Fault incident={incident} line={line} shown={incident.id === shown} x={x} select={select} />
      ))}
    </svg>
  );
}, (before, now) => before.line.state === now.line.state && before.line.spans === now.line.spans && before.line.nodes === now.line.nodes
  && before.line.landmarks === now.line.landmarks && before.shown === now.shown && told(before.faults) === told(now.faults));

const told = (faults: Incident[]) => faults.map((incident) => `${incident.id} ${incident.updated}`).join();

/** More landmarks than this lie too near to one another for a finger: one stroke draws them all. */
const POINTED_AT = 240;

function Landmarks({ line, x }: { line: LineDetail; x: Scale }) {
  if (line.landmarks.length > POINTED_AT) {
    return <path class="landmark" d={line.landmarks.map((mark) => `M${x(mark.chainage_m).toFixed(1)} ${Y + 5}v5`).join("")} />;
  }
  return <>{line.landmarks.map((mark) => (
    <line class="landmark" x1={x(mark.chainage_m)} x2={x(mark.chainage_m)} y1={Y + 5} y2={Y + 10}>
      <title>{`${mark.name} (${mark.kind}), ${chainage(mark.chainage_m)}`}</title>
    </line>
  ))}</>;
}

function Stretch({ span, line, x }: { span: Span; line: LineState; x: Scale }) {
  const state = span.state === "well" && line === "no_data" ? "no_data" : span.state;
  return (
    <line class={`span ${state}`} x1={x(span.from_m)} x2={x(span.to_m)} y1={Y} y2={Y}>
      <title>{`${span.from} – ${span.to}, ${length(span.to_m - span.from_m)}: ${STATES[state].word}`}</title>
    </line>
  );
}

function Mark({ node, x }: { node: Node; x: number }) {
  const title = <title>{`${node.name} (${node.kind}), ${chainage(node.chainage_m, 1)}`}</title>;
  if (node.kind === "terminal") return <rect class="node" x={x - 5} y={Y - 7} width={10} height={14}>{title}</rect>;
  if (node.kind === "repeater") return <circle class="node" cx={x} cy={Y} r={3.5}>{title}</circle>;
  return <path class="node" d={`M${x - 5} ${Y + 5}L${x} ${Y - 6}L${x + 5} ${Y + 5}Z`}>{title}</path>;
}

/** Names above the line where they fit: both ends first, then from A to B. */
function Names({ nodes, x }: { nodes: Node[]; x: Scale }) {
  const taken: [number, number][] = [];
  const ends = nodes.filter((node) => node.kind === "terminal");
  const others = nodes.filter((node) => node.kind !== "terminal");
  const placed = [...ends, ...others].flatMap((node) => {
    const half = node.name.length * 2.9 + 4;
    const middle = Math.min(Math.max(x(node.chainage_m), half), WIDTH - half);
    if (taken.some(([from, to]) => middle - half < to && middle + half > from)) return [];
    taken.push([middle - half, middle + half]);
    return [<text class="name" x={middle} y={Y - 14}>{node.name}</text>];
  });
  return <>{placed}</>;
}

interface FaultProps {
  incident: Incident;
  line: LineDetail;
  shown: boolean;
  x: Scale;
  select: Props["select"];
}

function Fault({ incident, line, shown, x, select }: FaultProps) {
  const place = incident.place;
  if (place.chainage_m === null) return null;
  const at = x(place.chainage_m);
  const [lo, hi] = (place.interval95_m ?? [place.chainage_m, place.chainage_m]).map(x) as [number, number];
  const from = Math.min(lo, at - 1.5);
  const words = placeLabel(place, line.nodes);
  const middle = Math.min(Math.max(at, 40), WIDTH - 40);
  return (
    <g class={shown ? `fault ${incident.severity} shown` : `fault ${incident.severity}`} onClick={() => select(incident.id)}>
      <rect x={from} y={Y - 11} width={Math.max(hi - from, 3)} height={24} />
      <path d={`M${at - 5} ${Y + 19}L${at} ${Y + 12}L${at + 5} ${Y + 19}Z`} />
      <text x={middle} y={Y + 30}>{STATES[incident.severity].sign} {words}</text>
      <title>{incident.headline}</title>
    </g>
  );
}
