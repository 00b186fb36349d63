// Which page the address names. Crews' pages stand alone, so that a phone fetches little; the NOC's
// pages share one picture of the corridor.

import { useEffect, useState } from "preact/hooks";
import { onSignIn } from "./client";
import { lazy } from "./lazy";
import { useModel, useNow, useRoute, type Model, type Route } from "./model";
import { Header } from "./views/header";
import { IncidentPage } from "./views/incident-page";
import { SignIn } from "./views/sign-in";

const Overview = lazy(() => import("./views/overview"));
const Traces = lazy(() => import("./views/traces"));
const Devices = lazy(() => import("./views/devices-page"));
const Work = lazy(() => import("./views/work-page"));
const Calibration = lazy(() => import("./views/calibration-page"));
const Reports = lazy(() => import("./views/reports-page"));
const Fibres = lazy(() => import("./views/fibres-page"));
const Services = lazy(() => import("./views/services-page"));
const Roadside = lazy(() => import("./views/roadside"));
const Admin = lazy(() => import("./views/admin"));

export function App() {
  const [route, go] = useRoute();
  const [wanted, setWanted] = useState(false);
  useEffect(() => onSignIn(() => setWanted(true)), []);
  if (wanted || route.page === "sign-in") return <SignIn why={route.page === "sign-in" ? route.id : null} done={() => window.location.reload()} />;
  if (route.page === "incident" && route.id !== null) return <IncidentPage key={route.id} id={route.id} />;
  if (route.page === "roadside") return <Roadside />;
  return <Noc route={route} go={go} />;
}

function Noc({ route, go }: { route: Route; go: (page: string, id?: string | null) => void }) {
  const model = useModel();
  const now = useNow();
  const wall = route.page === "wall";
  return (
    <div class={pageClass(model, wall)}>
      <Header model={model} now={now} page={route.page} />
      {page(route, go, model, now)}
    </div>
  );
}

function page(route: Route, go: (page: string, id?: string | null) => void, model: Model, now: number) {
  switch (route.page) {
    case "traces": return <Traces model={model} now={now} id={route.id} open={(id: string) => go("traces", id)} />;
    case "devices": return <Devices model={model} now={now} id={route.id} open={(id: string) => go("devices", id)} />;
    case "work": return <Work model={model} now={now} />;
    case "calibration": return <Calibration model={model} id={route.id} open={(id: string) => go("calibration", id)} />;
    case "reports": return <Reports id={route.id} open={(id: string) => go("reports", id)} />;
    case "fibres": return <Fibres model={model} now={now} id={route.id} open={(id: string) => go("fibres", id)} />;
    case "services": return <Services model={model} />;
    case "admin": return <Admin now={now} />;
    default: return <Overview model={model} now={now} selected={route.id} select={(id: string) => go(route.page, id)} />;
  }
}

function pageClass(model: Model, wall: boolean): string {
  const old = model.loaded && (!model.live || model.trouble !== null);
  return ["page", old ? "old" : "", wall ? "wall" : ""].join(" ").trim();
}
