// Who are you?

import { useState } from "preact/hooks";
import { send } from "../client";

export function SignIn({ done }: { done: () => void }) {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [said, setSaid] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await send("session", "POST", { user, password });
      if (window.location.hash === "#/sign-in") window.location.hash = "";
      done();
    } catch (error) {
      setSaid(error instanceof Error ? error.message : String(error));
      setBusy(false);
    }
  };
  return (
    <main class="sign-in">
      <form class="card form" onSubmit={submit}>
        <h1>silkline</h1>
        <label>User <input name="username" autocomplete="username" required value={user} onInput={(event) => setUser(event.currentTarget.value)} /></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required value={password} onInput={(event) => setPassword(event.currentTarget.value)} /></label>
        <button disabled={busy}>Sign in</button>
        {said !== null && <p class="warn" role="alert">▲ {said}</p>}
      </form>
    </main>
  );
}
