// The live stream: server-sent events, watched for silence, reopened with a growing pause.

import { heard } from "./client";

/** The server beats every 5 s; three missed beats are a connection that only looks open. */
const SILENCE_MS = 15_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 15_000;

/** What the stream tells. `data` is the JSON of the event's documentation. */
export interface Listener {
  /** An event of the given name came. */
  event(name: string, data: unknown): void;
  /** The server says that it is there. */
  beat(): void;
  /** The stream opened: everything must be fetched anew, for nobody knows what was missed. */
  opened(): void;
  /** The stream is gone and will be opened again. */
  lost(): void;
}

const NAMES = ["incident", "device", "agent", "trace", "refetch"] as const;

/** Listens until the returned function is called; to events of these names only, where any are given. */
export function listen(listener: Listener, only: string[] = []): () => void {
  let source: EventSource | null = null;
  let watchdog = 0;
  let retry = 0;
  let pause = FIRST_PAUSE_MS;

  const alive = () => {
    window.clearTimeout(watchdog);
    watchdog = window.setTimeout(again, SILENCE_MS);
  };
  const close = () => {
    window.clearTimeout(watchdog);
    window.clearTimeout(retry);
    source?.close();
    source = null;
  };
  const again = () => {
    close();
    listener.lost();
    retry = window.setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  };
  const open = () => {
    source = new EventSource(`/api/v1/live${only.length === 0 ? "" : `?events=${only.join(",")}`}`);
    alive();
    source.onopen = () => {
      pause = FIRST_PAUSE_MS;
      alive();
      listener.opened();
    };
    source.onerror = again;
    source.addEventListener("beat", (message) => {
      alive();
      heard((JSON.parse(message.data) as { now: string }).now);
      listener.beat();
    });
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        alive();
        listener.event(name, JSON.parse(message.data));
      });
    }
  };
  open();
  return close;
}
