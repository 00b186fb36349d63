// What customers have bought, and what is left of it.

import type { Incident, LineDetail, Service } from "../api";
import type { Model } from "../model";
import { losses, SERVICE_STATES } from "../services";
import { guard } from "./losses";

export default function ServicesPage({ model }: { model: Model }) {
  const { services } = model;
  const hurt = losses(services);
  return (
    <main class="stack wide" tabIndex={0} aria-label="services">
      <section class="card">
        <h2>Services <span class="dim">{hurt === "" ? `${services.length}, all up` : hurt}</span></h2>
        {services.length === 0 && <p class="dim">The plant file names no services: <code>[[service]]</code> with id, customer, paths and whether it is protected.</p>}
        {services.length > 0 && (
          <div class="scroll" tabIndex={0}><table>
            <thead><tr><th scope="col">state</th><th scope="col">service</th><th scope="col">customer</th><th scope="col">protection</th><th scope="col">paths</th><th scope="col">because of</th></tr></thead>
            <tbody>{services.map((service) => <Row key={service.id} service={service} lines={model.lines} incidents={model.incidents} />)}</tbody>
          </table></div>
        )}
        <p class="dim small">A service counts as it is seen: a path is gone while an amplifier on it reports no light. Unprotected services need every path they name, protected ones one way of each leg.</p>
      </section>
    </main>
  );
}

function Row({ service, lines, incidents }: { service: Service; lines: LineDetail[]; incidents: Incident[] }) {
  const { sign, word, like } = SERVICE_STATES[service.state];
  const name = (id: string) => lines.find((line) => line.id === id)?.name ?? id;
  const because = incidents.filter((incident) => service.incidents.includes(incident.id));
  return (
    <tr data-service={service.id}>
      <td><span class={`badge ${like}`}>{sign} {word}</span></td>
      <td><b>{service.id}</b></td>
      <td>{service.customer}</td>
      <td>{guard(service)}</td>
      <td>{service.paths.map((way) => <div>{way.dark ? "✖" : "✓"} {way.path} <span class="dim">{way.lines.map(name).join(", ")}</span></div>)}</td>
      <td>{because.map((incident) => <div><a href={`#/incident/${incident.id}`}>{incident.headline}</a></div>)}</td>
    </tr>
  );
}
