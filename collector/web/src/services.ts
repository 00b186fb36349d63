// What customers lose by an incident, and so which incident comes first.

import type { Incident, Service, ServiceState } from "./api";
import { rank } from "./format";

/** A sign and a word for each state, worst first. */
export const SERVICE_STATES: Record<ServiceState, { sign: string; word: string; like: string }> = {
  down: { sign: "✖", word: "down", like: "critical" },
  at_risk: { sign: "▲", word: "at risk", like: "major" },
  up: { sign: "✓", word: "up", like: "well" },
};

/** The services that an incident touches. */
export const touched = (services: Service[], incident: Incident) => services.filter((service) => service.incidents.includes(incident.id));

/** Lost service comes before severity, and service that nothing protects before the rest. */
function urgency(incident: Incident, services: Service[]): number {
  const down = touched(services, incident).filter((service) => service.state === "down");
  if (down.some((service) => !service.protected)) return 0;
  return down.length > 0 ? 1 : 2;
}

const atRisk = (incident: Incident, services: Service[]) => (touched(services, incident).length > 0 ? 0 : 1);

/** The most urgent first; among equals the newest. */
export function sorted(incidents: Incident[], services: Service[]): Incident[] {
  return incidents.toSorted((a, b) =>
    urgency(a, services) - urgency(b, services) || rank(a.severity) - rank(b.severity) || atRisk(a, services) - atRisk(b, services) || b.opened.localeCompare(a.opened));
}

/** How many of each: `2 services down · 1 at risk`; nothing where none is touched. */
export function lossesInShort(services: Service[]): string {
  const of = (state: ServiceState) => services.filter((service) => service.state === state).length;
  const [down, risky] = [of("down"), of("at_risk")];
  return [down > 0 ? `${count(down)} down` : "", risky > 0 ? `${down > 0 ? risky : count(risky)} at risk` : ""].filter((part) => part !== "").join(" · ");
}

/** The same with what protects them: `2 services down, unprotected · 1 at risk, protected`. */
export function losses(services: Service[]): string {
  const of = (state: ServiceState) => services.filter((service) => service.state === state);
  const [down, risky] = [of("down"), of("at_risk")];
  const bare = down.filter((service) => !service.protected).length;
  const parts = [];
  if (down.length > 0) parts.push(`${count(down.length)} down${bare === down.length ? ", unprotected" : bare === 0 ? ", though protected" : `, ${bare} unprotected`}`);
  if (risky.length > 0) parts.push(`${down.length > 0 ? risky.length : count(risky.length)} at risk, protected`);
  return parts.join(" · ");
}

const count = (services: number) => `${services} service${services === 1 ? "" : "s"}`;
