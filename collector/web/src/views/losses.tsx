// Whom it hurts: the services of one incident, the worst first.

import type { Service } from "../api";
import { SERVICE_STATES } from "../services";

export function Losses({ services }: { services: Service[] }) {
  if (services.length === 0) return null;
  return (
    <section class="losses" data-losses={services.map((service) => `${service.id}=${service.state}`).join(" ")}>
      <h3>Services</h3>
      <ul>
        {services.map((service) => (
          <li key={service.id}>
            <span class={`badge ${SERVICE_STATES[service.state].like}`}>{SERVICE_STATES[service.state].sign} {SERVICE_STATES[service.state].word}</span>
            <b>{service.id}</b> <span>{service.customer}</span>
            <span class="dim right">{guard(service)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** What protects a service now. */
export function guard(service: Service): string {
  if (!service.protected) return "unprotected";
  const left = service.paths.filter((way) => !way.dark).map((way) => way.path);
  if (service.state === "down") return "protected, but nothing is left of it";
  return service.state === "at_risk" ? `protected, carried by ${left.join(", ")}` : "protected";
}
