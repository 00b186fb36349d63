// What a person does with an incident: each with who and when, in its history.

import { useState } from "preact/hooks";
import type { Incident, LineDetail } from "../api";
import * as client from "../client";
import { foundAt, foundWords } from "../found";
import { useSession } from "../session";

const WHO = "silkline.who";

export function Actions({ incident, line }: { incident: Incident; line: LineDetail | null }) {
  const session = useSession();
  const [who, setWho] = useState(() => window.localStorage.getItem(WHO) ?? "");
  const [text, setText] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const act = async (action: client.Action, more: client.Said = {}) => {
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
  const landmarks = [...(line?.landmarks ?? []), ...(line?.nodes ?? [])].map((one) => one.name);
  const shared = { act, nameless, landmarks };
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
  act: (action: client.Action, more?: client.Said) => void;
  nameless: boolean;
  landmarks: string[];
}

/** What is done once: folded, so that nobody closes an incident by a slip. */
function More({ act, nameless, landmarks }: Shared) {
  const [to, setTo] = useState("");
  const [told, setTold] = useState("");
  const [hours, setHours] = useState("4");
  const shelved = Number(hours.replace(",", "."));
  const until = () => new Date(Date.now() + shelved * 3_600_000).toISOString();
  const found = told.trim() === "" ? null : foundAt(told, landmarks);
  const wrong = told.trim() !== "" && found === null;
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
        <input aria-label="where it was found" class="note" list="landmarks" placeholder="found at: km, lat, lon, post+m or closure + m" value={told} onInput={(event) => setTold(event.currentTarget.value)} />
        <datalist id="landmarks">{landmarks.map((name) => <option value={name} />)}</datalist>
        <button disabled={nameless || wrong} onClick={() => act("close", { found })}>Close{found !== null ? `, found ${foundWords(found)}` : ""}</button>
      </p>
      {wrong && <p class="warn small">Write km 256.840, or 40.52328, 47.51434, or 255+1816, or closure 061 + 40 m (towards B); and ± 2 m behind it, if you measured.</p>}
      {!wrong && found === null && <p class="dim small">The place that the crew found makes every next one better.</p>}
    </details>
  );
}
