// One sentence on how things are, and how fresh that sentence is.

import { useEffect } from "preact/hooks";
import type { Severity } from "../api";
import { duration, STATES } from "../format";
import type { Model } from "../model";
import { lossesInShort } from "../services";

const PAGES = [["overview", "Overview"], ["traces", "Traces"], ["devices", "Devices"], ["fibres", "Fibres"], ["services", "Services"], ["work", "Planned work"], ["reports", "Reports"], ["calibration", "Calibration"], ["roadside", "Roadside"], ["admin", "Admin"], ["wall", "Wall"]] as const;

export function Header({ model, now, page }: { model: Model; now: number; page: string }) {
  const worst = model.incidents[0]?.severity;
  useEffect(() => {
    document.title = worst === undefined ? "silkline" : `${STATES[worst].sign} ${model.incidents.length} open · silkline`;
  }, [worst, model.incidents.length]);
  return (
    <header class={`bar ${worst ?? (model.loaded ? "well" : "no_data")}`}>
      <h1><a href="#/overview">silkline</a></h1>
      <p class="sentence" role="status">{model.incidents.length > 0 ? <Counts model={model} /> : calm(model)}</p>
      <nav class="pages" aria-label="pages">
        {PAGES.map(([id, name]) => <a href={`#/${id}`} aria-current={id === page ? "page" : undefined}>{name}</a>)}
      </nav>
      <Freshness model={model} now={now} />
      <time class="clock" title={new Date(now).toISOString().slice(0, 10)}>{new Date(now).toISOString().slice(11, 19)} UTC</time>
    </header>
  );
}

/** How many of each severity, worst first. */
function Counts({ model }: { model: Model }) {
  const hurt = lossesInShort(model.services);
  return (
    <>
      {(["critical", "major", "minor", "warning"] as Severity[]).map((severity) => {
        const count = model.incidents.filter((incident) => incident.severity === severity).length;
        return count > 0 && <span class={severity}>{STATES[severity].sign} {count} {STATES[severity].word}</span>;
      })}
      {hurt !== "" && <a class="hurt" href="#/services">{hurt}</a>}
    </>
  );
}

/** What to say when no incident is open. */
function calm(model: Model): string {
  if (!model.loaded) return model.trouble === null ? "Loading…" : `? No data: ${model.trouble}`;
  const silent = model.devices.filter((device) => device.state !== "fresh").length;
  const lines = `${model.lines.length} line${model.lines.length === 1 ? "" : "s"}`;
  if (silent > 0) return `? Nothing open on ${lines}, but ${silent} of ${model.devices.length} devices do not report`;
  return `✓ All well on ${lines}`;
}

function Freshness({ model, now }: { model: Model; now: number }) {
  const age = duration((now - model.heardAt) / 1_000);
  if (model.heardAt === 0) return <p class="heard lost">○ not connected</p>;
  if (!model.live) return <p class="heard lost">○ connection lost, what you see is {age} old</p>;
  if (model.trouble !== null) return <p class="heard lost">○ {model.trouble}; what you see is {age} old</p>;
  return <p class="heard" title={`heard ${age} ago`}>● live{now - model.heardAt > 3_000 ? `, heard ${age} ago` : ""}</p>;
}
