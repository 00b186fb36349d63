// What the page says when nothing needs anybody: that it is watching, and on how much.

import { ago, life } from "../format";
import type { Model } from "../model";

export function Calm({ model, now }: { model: Model; now: number }) {
  const reporting = model.devices.filter((device) => device.state === "fresh").length;
  const whole = reporting === model.devices.length && reporting > 0;
  const last = model.latest[0];
  return (
    <section class={whole ? "card calm" : "card calm unsure"}>
      <h2>{whole ? "✓ Nothing needs you" : "? Nothing is open, as far as anybody can tell"}</h2>
      <p>
        {reporting} of {model.devices.length} devices report on {model.lines.length} lines.
      </p>
      {last !== undefined && (
        <p class="dim">
          Last incident: <a href={`#/incident/${last.id}`}>{last.headline}</a>, {life(last.state)} {ago(last.cleared ?? last.updated, now)}.
        </p>
      )}
    </section>
  );
}
