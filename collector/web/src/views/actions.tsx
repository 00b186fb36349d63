// What a person does with an incident: each with who and when, in its history.

import { useState } from "preact/hooks";
import type { Incident } from "../api";
import * as client from "../client";
import { useSession } from "../session";

const WHO = "silkline.who";

export function Actions({ incident }: { incident: Incident }) {
  const session = useSession();
  const [who, setWho] = useState(() => window.localStorage.getItem(WHO) ?? "");
  const [text, setText] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const act = async (action: client.Action, more: Record<string, string | number | null> = {}) => {
    window.localStorage.setItem(WHO, who);
    try {
      await client.act(incident.id, action, { who: session?.user ?? who.trim(), text: text.trim(), ...more });
      setText("");
      setSaid(null);
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
    }
  };
  if (session !== null && !session.may_act) return <p class="dim no-print">You may look, not act: your role is {session.role}.</p>;
  const nameless = session?.user == null && who.trim() === "";
  const shared = { act, nameless };
  return (
    <form class="actions no-print" onSubmit={(event) => event.preventDefault()}>
      {session?.user == null && <input aria-label="your name" placeholder="your name" value={who} onInput={(event) => setWho(event.currentTarget.value)} />}
      <input aria-label="note" class="note" placeholder="note" value={text} onInput={(event) => setText(event.currentTarget.value)} />
      {incident.state === "open" && <button class="main" disabled={nameless} onClick={() => act("acknowledge")}>Acknowledge</button>}
      {(incident.state === "open" || incident.state === "acknowledged") && <button disabled={nameless} onClick={() => act("repairing")}>Under repair</button>}
      <button disabled={nameless || text.trim() === ""} onClick={() => act("note")}>Add note</button>
      {incident.state !== "closed" && <More {...shared} />}
      {said !== null && <p class="warn" role="alert">▲ {said}</p>}
    </form>
  );
}

interface Shared {
  act: (action: client.Action, more?: Record<string, string | number | null>) => void;
  nameless: boolean;
}

/** What is done once: folded, so that nobody closes an incident by a slip. */
function More({ act, nameless }: Shared) {
  const [to, setTo] = useState("");
  const [km, setKm] = useState("");
  const [hours, setHours] = useState("4");
  const shelved = Number(hours.replace(",", "."));
  const until = () => new Date(Date.now() + shelved * 3_600_000).toISOString();
  const found = km.trim() === "" ? null : Number(km.replace(",", ".")) * 1_000;
  const wrong = found !== null && !Number.isFinite(found);
  return (
    <details class="more">
      <summary>Assign, shelve, close</summary>
      <p>
        <input aria-label="assign to" placeholder="to whom" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
        <button disabled={nameless || to.trim() === ""} onClick={() => act("assign", { to: to.trim() })}>Assign</button>
      </p>
      <p>
        <input aria-label="shelve for hours" inputMode="decimal" placeholder="hours" value={hours} onInput={(event) => setHours(event.currentTarget.value)} />
        <button disabled={nameless || !(shelved > 0 && shelved <= 720)} onClick={() => act("shelve", { until: until() })}>Shelve: tell nobody for {shelved > 0 ? shelved : "…"} h</button>
      </p>
      <p>
        <input aria-label="found at kilometre" inputMode="decimal" placeholder="found at km" value={km} onInput={(event) => setKm(event.currentTarget.value)} />
        <button disabled={nameless || wrong} onClick={() => act("close", { found_m: found })}>Close{found !== null && !wrong ? `, found at km ${(found / 1_000).toFixed(3)}` : ""}</button>
      </p>
    </details>
  );
}
