// Who are you? By the NOC's own identity provider where there is one, by a password where anybody has one.

import { useEffect, useState } from "preact/hooks";
import type { Ways } from "../api";
import { get, send } from "../client";

/** What went wrong at the provider, by the word that stands in the address. */
const WHY: Record<string, string> = {
  "denied": "The identity provider did not sign you in.",
  "not-begun": "That took too long, or was begun in another browser. Try again.",
  "unreachable": "The identity provider does not answer. Try again, or sign in with a password; the collector's log says more.",
  "untrusted": "What the identity provider said cannot be trusted, so nobody was signed in. An admin finds the reason in the audit log.",
  "clock": "The clocks of this collector and of the identity provider differ too much. An admin has to set them right.",
  "no-role": "You are known to the identity provider, but none of your groups may sign in here. Ask an admin.",
};

export function SignIn({ why, done }: { why: string | null; done: () => void }) {
  const [ways, setWays] = useState<Ways | null>(null);
  const [said, setSaid] = useState<string | null>(why === null ? null : WHY[why] ?? null);
  useEffect(() => {
    get<Ways>("sign-in").then(setWays, (error: Error) => setSaid(error.message));
  }, []);
  return (
    <main class="sign-in">
      <div class="card form">
        <h1>silkline</h1>
        {ways?.provider != null && <a class="button" href={ways.provider.begin}>Sign in by {ways.provider.name}</a>}
        {(ways?.password === true || ways?.provider === null) && <Password done={done} told={setSaid} />}
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
      </div>
    </main>
  );
}

function Password({ done, told }: { done: () => void; told: (what: string) => void }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await send("session", "POST", { user, password });
      if (window.location.hash.startsWith("#/sign-in")) window.location.hash = "";
      done();
    } catch (error) {
      told(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <form class="form" onSubmit={submit}>
      <label>User <input name="username" autocomplete="username" required value={user} onInput={(event) => setUser(event.currentTarget.value)} /></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} /></label>
      <button disabled={busy}>Sign in</button>
    </form>
  );
}
