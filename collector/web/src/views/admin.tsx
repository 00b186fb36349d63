// Who may do what, and who did what.

import { useEffect, useState } from "preact/hooks";
import type { AuditEntry, Role, Session, SignedOut, Token, TokenMade, User } from "../api";
import * as client from "../client";
import { ago } from "../format";
import { useSession } from "../session";

const ROLES: Role[] = ["viewer", "field", "operator", "admin"];

export default function Admin({ now }: { now: number }) {
  const session = useSession();
  if (session === null) return <main class="admin"><p class="card dim">Asking who you are…</p></main>;
  return (
    <main class="admin" tabIndex={0}>
      <Me session={session} />
      {session.role === "admin" && <><Users now={now} /><Tokens now={now} /><Audit now={now} /></>}
    </main>
  );
}

function Me({ session }: { session: Session }) {
  // A guest of an identity provider is signed out there as well, lest one click bring them back.
  const out = () => client.send<SignedOut>("session", "DELETE", {}).then(({ then }) => (then === null ? window.location.reload() : window.location.assign(then)));
  return (
    <section class="card">
      <h2>You</h2>
      {session.open
        ? <p class="warn">▲ This collector is open to everybody on this machine: no user is set up. Add the first with <code>silkline-collector user add NAME --role admin</code>.</p>
        : <p>Signed in as <b>{session.user ?? "the bearer of a token"}</b>, {session.role}{session.lines === null ? ", all lines" : `, lines ${session.lines.join(", ")}`}. {session.user !== null && <button onClick={out}>Sign out</button>}</p>}
    </section>
  );
}

/** A list of the API that can be fetched anew. */
function useList<T>(path: string): [T[], () => void, string | null] {
  const [items, setItems] = useState<T[]>([]);
  const [said, setSaid] = useState<string | null>(null);
  const fetchIt = () => void client.all<T>(path).then(setItems, (error: Error) => setSaid(error.message));
  useEffect(fetchIt, [path]);
  return [items, fetchIt, said];
}

function Users({ now }: { now: number }) {
  const [users, again, trouble] = useList<User>("users");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [lines, setLines] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const run = (work: Promise<unknown>) => work.then(() => { setSaid(null); again(); }, (error: Error) => setSaid(error.message));
  const add = (event: Event) => {
    event.preventDefault();
    const own = lines.split(/[\s,]+/).filter((line) => line !== "");
    void run(client.send("users", "POST", { name, password, role, lines: own.length === 0 ? null : own }).then(() => { setName(""); setPassword(""); }));
  };
  return (
    <section class="card">
      <h2>Users</h2>
      <div class="scroll"><table>
        <thead><tr><th scope="col">name</th><th scope="col">role</th><th scope="col">lines</th><th scope="col">added</th><th scope="col">remove</th></tr></thead>
        <tbody>{users.map((user) => (
          <tr key={user.name}><td>{user.name}</td><td>{user.role}</td><td>{user.lines?.join(", ") ?? "all"}</td><td>{ago(user.added, now)}</td>
            <td><button onClick={() => run(client.send(`users/${user.name}`, "DELETE", {}))} aria-label={`remove ${user.name}`}>Remove</button></td></tr>
        ))}</tbody>
      </table></div>
      <form class="actions" onSubmit={add}>
        <input aria-label="name" placeholder="name" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <input aria-label="password" type="password" placeholder="password, 12 letters or more" autocomplete="new-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} />
        <select aria-label="role" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>{ROLES.map((one) => <option>{one}</option>)}</select>
        <input aria-label="lines, all where empty" placeholder="lines, all where empty" value={lines} onInput={(event) => setLines(event.currentTarget.value)} />
        <button>Add user</button>
      </form>
      {(said ?? trouble) !== null && <p class="warn" role="alert">▲ {said ?? trouble}</p>}
    </section>
  );
}

function Tokens({ now }: { now: number }) {
  const [tokens, again, trouble] = useList<Token>("tokens");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [made, setMade] = useState<string | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const add = (event: Event) => {
    event.preventDefault();
    client.send<TokenMade>("tokens", "POST", { name, role, lines: null }).then((token) => { setMade(token.secret); setName(""); again(); }, (error: Error) => setSaid(error.message));
  };
  const drop = (id: number) => client.send(`tokens/${id}`, "DELETE", {}).then(again, (error: Error) => setSaid(error.message));
  return (
    <section class="card">
      <h2>Tokens for programs</h2>
      <ul>{tokens.map((token) => (
        <li key={token.id}>{token.name}, {token.role}, made {ago(token.added, now)} <button onClick={() => drop(token.id)} aria-label={`revoke ${token.name}`}>Revoke</button></li>
      ))}</ul>
      <form class="actions" onSubmit={add}>
        <input aria-label="what for" placeholder="what for" required value={name} onInput={(event) => setName(event.currentTarget.value)} />
        <select aria-label="role of the token" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>{ROLES.map((one) => <option>{one}</option>)}</select>
        <button>Make token</button>
      </form>
      {made !== null && <p role="status">Shown once, keep it: <code>{made}</code></p>}
      {(said ?? trouble) !== null && <p class="warn" role="alert">▲ {said ?? trouble}</p>}
    </section>
  );
}

function Audit({ now }: { now: number }) {
  const [entries, , trouble] = useList<AuditEntry>("audit");
  return (
    <section class="card">
      <h2>Audit log</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="audit log"><table>
        <thead><tr><th scope="col">when</th><th scope="col">who</th><th scope="col">what</th></tr></thead>
        <tbody>{entries.map((entry) => <tr key={entry.id}><td>{entry.at.slice(0, 19).replace("T", " ")}, {ago(entry.at, now)}</td><td>{entry.who}</td><td>{entry.what}</td></tr>)}</tbody>
      </table></div>
      {trouble !== null && <p class="warn">▲ {trouble}</p>}
    </section>
  );
}
