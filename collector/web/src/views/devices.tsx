// Who reports and who does not: one row a site, one mark a device.

import type { Device, Freshness } from "../api";
import { ageSeconds, duration } from "../format";

const SIGNS: Record<Freshness, string> = { fresh: "●", stale: "◐", silent: "○", never: "◌" };

/** More sites than this are a wall of names: only those with trouble stand open. */
const MANY_SITES = 40;

export function Devices({ devices, now }: { devices: Device[]; now: number }) {
  const sites = new Map<string, Device[]>();
  for (const device of devices) sites.set(device.site, [...(sites.get(device.site) ?? []), device]);
  const all = [...sites].toSorted(([a], [b]) => a.localeCompare(b));
  const troubled = all.filter(([, members]) => members.some((device) => device.state !== "fresh"));
  return (
    <section class="card devices">
      <h2>Sites <span class="dim">● fresh ◐ late ○ silent ◌ never seen</span></h2>
      {all.length > MANY_SITES
        ? <><p class="dim">{all.length - troubled.length} of {all.length} sites report in full, with {devices.length} devices. <a href="#/devices">All devices</a></p><Sites sites={troubled} now={now} /></>
        : <Sites sites={all} now={now} />}
    </section>
  );
}

function Sites({ sites, now }: { sites: [string, Device[]][]; now: number }) {
  return (
    <ul>
      {sites.map(([site, members]) => (
        <li key={site} class={members.some((device) => device.state !== "fresh") ? "stale" : ""}>
          <span class="site">{site}</span>
          <span class="marks">
            {members.map((device) => (
              <span class={device.state} title={title(device, now)}>{SIGNS[device.state]}</span>
            ))}
          </span>
          <span class="right">{newest(members, now)}</span>
        </li>
      ))}
    </ul>
  );
}

function newest(devices: Device[], now: number): string {
  const silent = devices.filter((device) => device.state === "silent" || device.state === "never");
  if (silent.length > 0) return `${silent.map((device) => device.device).join(", ")} silent`;
  const ages = devices.flatMap((device) => ageSeconds(device.newest, now) ?? []);
  return ages.length === 0 ? "no data" : `${duration(Math.max(...ages))} old`;
}

function title(device: Device, now: number): string {
  const age = ageSeconds(device.newest, now);
  const what = [device.vendor, device.model].filter((part) => part !== null).join(" ");
  return `${device.id} ${what}: ${age === null ? "never seen" : `newest data ${duration(age)} old`}`;
}
