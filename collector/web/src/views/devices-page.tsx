// Every device, what it says now, and what it said: charts from an hour to a month.

import { useState } from "preact/hooks";
import type { Device, Reading } from "../api";
import { ageSeconds, duration, unitName, words } from "../format";
import type { Model } from "../model";
import { Chart, type Chosen } from "./chart";
import { Performance } from "./performance";

interface Props {
  model: Model;
  now: number;
  id: string | null;
  open: (id: string) => void;
}

/** Curves on one chart: more cannot be told apart. */
const MOST = 6;

export default function DevicesPage({ model, now, id, open }: Props) {
  const [wanted, setWanted] = useState("");
  const [chosen, setChosen] = useState<Chosen[]>([]);
  const matching = model.devices.filter((device) => `${device.id} ${device.vendor ?? ""} ${device.model ?? ""}`.toLowerCase().includes(wanted.toLowerCase()));
  const shown = model.devices.find((device) => device.id === id) ?? null;
  const toggle = (one: Chosen) => setChosen((known) => {
    const rest = known.filter((other) => other.device !== one.device || other.point !== one.point);
    return rest.length < known.length ? rest : [...rest, one].slice(-MOST);
  });
  const last = chosen.at(-1);
  return (
    <main class="traces">
      <section class="card picks">
        <h2>Devices <span class="dim">{model.devices.length}</span></h2>
        <input aria-label="find a device" placeholder="find by name, maker or model" value={wanted} onInput={(event) => setWanted(event.currentTarget.value)} />
        <ol class="shots" tabIndex={0} aria-label="devices">
          {matching.map((device) => (
            <li key={device.id}>
              <button class={device.id === id ? `row shown ${device.state}` : `row ${device.state}`} aria-current={device.id === id} onClick={() => open(device.id)}>
                <b>{device.id}</b> <span class="right dim">{age(device, now)}</span><br />
                <span class="dim">{device.state === "fresh" ? "● fresh" : `○ ${device.state}`} · {device.model ?? device.profile ?? ""}</span>
              </button>
            </li>
          ))}
        </ol>
      </section>
      <div class="stack" tabIndex={0} role="region" aria-label="the device">
        {chosen.length > 0 && <Chart chosen={chosen} drop={toggle} />}
        {last !== undefined && <Performance key={`${last.device} ${last.point}`} device={last.device} point={last.point} />}
        {shown === null ? <p class="card dim">Pick a device; then tick points to chart and compare them.</p> : <Points device={shown} now={now} chosen={chosen} toggle={toggle} />}
      </div>
    </main>
  );
}

function age(device: Device, now: number): string {
  const seconds = ageSeconds(device.newest, now);
  return seconds === null ? "never seen" : `${duration(seconds)} old`;
}

interface PointsProps {
  device: Device;
  now: number;
  chosen: Chosen[];
  toggle: (one: Chosen) => void;
}

function Points({ device, now, chosen, toggle }: PointsProps) {
  return (
    <section class={`card device ${device.state}`}>
      <h3>
        {device.id} <span class="dim">{[device.vendor, device.model, device.serial && `serial ${device.serial}`].filter(Boolean).join(" · ")} · on {device.lines.join(", ")} · asked every {device.poll_ms === null ? "?" : duration(device.poll_ms / 1_000)}</span>
      </h3>
      {device.readings.length === 0 && <p class="dim">It has not said anything yet.</p>}
      <div class="scroll">
        <table>
          <thead><tr><th scope="col">chart</th><th scope="col">point</th><th scope="col">value</th><th scope="col">age</th><th scope="col">quality</th><th scope="col">limits</th><th scope="col">meaning</th></tr></thead>
          <tbody>
            {device.readings.map((reading) => (
              <tr key={reading.point} class={reading.bad === null ? "" : "bad"}>
                <td>
                  <input
                    type="checkbox" aria-label={`chart ${reading.point}`}
                    checked={chosen.some((one) => one.device === device.id && one.point === reading.point)}
                    onChange={() => toggle({ device: device.id, point: reading.point, unit: reading.unit, limits: limits(reading) })}
                  />
                </td>
                <td>{reading.point}</td>
                <td class="number">{value(reading)}</td>
                <td class="number">{duration((now - Date.parse(reading.at)) / 1_000)}</td>
                <td>{reading.bad === null ? "good" : `▲ ${words(reading.bad)}`}</td>
                <td class="number">{limitsText(reading)}</td>
                <td class="dim">{words(reading.role)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function value(reading: Reading): string {
  if (reading.dark) return "dark";
  if (reading.value === null) return "–";
  const size = Math.abs(reading.value);
  const digits = Number.isInteger(reading.value) ? 0 : size < 1 ? 4 : size < 1_000 ? 2 : 0;
  return `${reading.value.toFixed(digits)} ${unitName(reading.unit)}`;
}

const limits = (reading: Reading) => [reading.low, reading.high].filter((limit) => limit !== null);

function limitsText({ low, high, unit }: Reading): string {
  if (low === null && high === null) return "–";
  return `${low === null ? "" : `≥ ${low}`}${low !== null && high !== null ? ", " : ""}${high === null ? "" : `≤ ${high}`} ${unitName(unit)}`;
}
