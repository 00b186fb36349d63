// Why we believe it: what each source says alone, and how much it weighs.

import type { Incident, Source } from "../api";
import { chainage, clock, length, words } from "../format";

export function Evidence({ incident, now }: { incident: Incident; now: number }) {
  const sources = incident.place.sources;
  if (sources.length === 0 && incident.anomalies.length === 0) return null;
  return (
    <section class="evidence">
      {sources.length > 0 && (
        <table>
          <caption>Evidence</caption>
          <thead><tr><th>source</th><th>says</th><th>95 %</th><th>weight</th></tr></thead>
          <tbody>
            {sources.map((source) => (
              <tr key={source.id}>
                <td>{sourceName(source)}</td>
                <td class="number">{source.alone_m === null ? "a span" : chainage(source.alone_m)}</td>
                <td class="number">{source.plus_minus_m === null ? "" : `± ${length(source.plus_minus_m)}`}</td>
                <td><Weight of={source.weight} /></td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {incident.anomalies.length > 0 && (
        <details>
          <summary>{incident.anomalies.length} finding{incident.anomalies.length === 1 ? "" : "s"} of one cause</summary>
          <ul class="anomalies">
            {incident.anomalies.map((anomaly) => (
              <li>
                <time>{clock(anomaly.from, now)}</time> {anomaly.device} {anomaly.point ?? ""}{" "}
                <b>{words(anomaly.kind)}</b> <span class="dim">{anomaly.detail}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Weight({ of }: { of: number }) {
  const percent = Math.round(Math.min(Math.max(of, 0), 1) * 100);
  return (
    <span class="weight">
      <meter aria-label="weight" min={0} max={100} value={percent} /> {percent} %
    </span>
  );
}

/** A source by its id, with its kind where the id does not say it. */
export function sourceName(source: Source): string {
  const kind = words(source.kind);
  return source.id.startsWith(source.kind.split("_")[0] ?? source.kind) ? source.id : `${kind} ${source.id}`;
}
