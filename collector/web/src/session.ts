// Who sits here, as the server knows it.

import { useEffect, useState } from "preact/hooks";
import type { Session } from "./api";
import { get } from "./client";

let asked: Promise<Session> | null = null;

/** The session, once the server has said; asked for once a page. */
export function session(): Promise<Session> {
  asked ??= get<Session>("session");
  return asked;
}

export function useSession(): Session | null {
  const [known, setKnown] = useState<Session | null>(null);
  useEffect(() => {
    session().then(setKnown, () => undefined);
  }, []);
  return known;
}
