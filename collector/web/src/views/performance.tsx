// A point in intervals of 15 minutes or 24 hours: tide marks, mean, unavailable seconds.

import { useEffect, useState } from "preact/hooks";
import type { Performance as Facts } from "../api";
import * as client from "../client";
import { unitName } from "../format";

export function Performance({ device, point }: { device: string; point: string }) {
  const [open, setOpen] = useState(false);
  const [interval, setWidth] = useState("15min");
  const [facts, setFacts] = useState<Facts | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (!open) return undefined;
    let stale = false;
    setFacts(null);
    client.performance(device, point, interval).then(
      (found) => { if (!stale) { setFacts(found); setSaid(null); } },
      (error: Error) => stale || setSaid(error.message),
    );
    return () => { stale = true; };
  }, [device, point, interval, open]);
  const seen = facts?.items.filter((one) => one.seen_s > 0).toReversed() ?? [];
  const gone = seen.reduce((sum, one) => sum + one.unavailable_s, 0);
  return (
    <details class="card performance" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Performance of {point} <span class="dim">{device}, in quarters of an hour and days</span></summary>
      <p class="tools">
        {[["15min", "15 minutes"], ["24h", "24 hours"]].map(([id, name]) => <button aria-pressed={interval === id} onClick={() => setWidth(id ?? "15min")}>{name}</button>)}
        <span class="dim">{facts === null ? "Counting…" : `${seen.length} of ${facts.items.length} intervals seen, ${gone.toFixed(0)} s unavailable in all`}</span>
      </p>
      {said !== null && <p class="warn" role="alert">▲ {said}</p>}
      {seen.length > 0 && (
        <div class="scroll table" tabIndex={0} role="region" aria-label="intervals">
          <table>
            <thead><tr><th scope="col">from, UTC</th><th scope="col">min</th><th scope="col">mean</th><th scope="col">max</th><th scope="col">unavailable</th><th scope="col">seen</th></tr></thead>
            <tbody>{seen.map((one) => (
              <tr key={one.at}>
                <td class="number">{one.at.slice(0, 16).replace("T", " ")}</td>
                {[one.min, one.mean, one.max].map((value) => <td class="number">{value === null ? "–" : `${value.toFixed(2)} ${unitName(facts?.unit ?? "")}`}</td>)}
                <td class="number">{one.unavailable_s > 0 ? <b class="warn">▲ {one.unavailable_s.toFixed(0)} s</b> : "0 s"}</td>
                <td class="number">{one.suspect ? <span class="dim">{((one.seen_s / (facts?.interval_s ?? 1)) * 100).toFixed(1)} %, {running(one.at, facts?.interval_s ?? 0) ? "still running" : "suspect"}</span> : "all"}</td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
      <p class="dim small">Unavailable from ten seconds without light in a row to ten with it (ITU-T G.826); suspect where more than ten seconds of an interval were not seen (G.7710).</p>
    </details>
  );
}

const running = (at: string, seconds: number) => Date.parse(at) + seconds * 1_000 > client.serverNow();
