// Pages that are fetched when somebody goes there, so that the first one is there at once.

import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A component whose code comes when it is first shown. */
export function lazy<Props extends object>(load: () => Promise<{ default: ComponentType<Props> }>) {
  let known: ComponentType<Props> | null = null;
  return function Lazy(props: Props) {
    const [, setReady] = useState(false);
    const [said, setSaid] = useState<string | null>(null);
    useEffect(() => {
      if (known !== null) return;
      load().then((module) => { known = module.default; setReady(true); }, () => setSaid("This page could not be fetched: load it again."));
    }, []);
    if (known === null) return <p class={said === null ? "boot dim" : "boot warn"} role="status">{said ?? "Loading…"}</p>;
    const Page = known;
    return <Page {...props} />;
  };
}
