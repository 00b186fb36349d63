// Which incident comes first, and what is said of the services it takes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { source } from "./source.mjs";

const { sorted, losses, lossesInShort } = await source("/src/services.ts");

const incident = (id, severity, opened = "2026-01-01T00:00:00Z") => ({ id, severity, opened });
const service = (id, state, isProtected, incidents) => ({ id, customer: "", state, protected: isProtected, paths: [], incidents });
const order = (incidents, services) => sorted(incidents, services).map((one) => one.id).join("");

test("a lost service that nothing protects comes before everything", () => {
  const incidents = [incident("a", "critical"), incident("b", "critical"), incident("c", "major"), incident("d", "critical")];
  const services = [service("s1", "down", true, ["b"]), service("s2", "down", false, ["c"]), service("s3", "at_risk", true, ["d"])];
  assert.equal(order(incidents, services), "cbda");
});

test("without services severity decides, then what is newest", () => {
  const incidents = [incident("a", "minor"), incident("b", "major"), incident("c", "major", "2026-01-02T00:00:00Z")];
  assert.equal(order(incidents, []), "cba");
});

test("words say how many and what protects them", () => {
  const both = [service("a", "down", false, []), service("b", "down", false, []), service("c", "at_risk", true, [])];
  assert.equal(losses(both), "2 services down, unprotected · 1 at risk, protected");
  assert.equal(lossesInShort(both), "2 services down · 1 at risk");
  assert.equal(losses([service("a", "down", true, [])]), "1 service down, though protected");
  assert.equal(losses([service("a", "at_risk", true, [])]), "1 service at risk, protected");
  assert.equal(losses([service("a", "up", false, [])]), "");
});
