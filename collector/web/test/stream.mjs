// The live stream as a program reads it, without a browser.

/** Reads events from `url` until `wanted` makes something of one, and gives that. */
export async function stream(url, wanted, last = null) {
  const stop = new AbortController();
  const headers = last === null ? {} : { "last-event-id": last };
  const answer = await fetch(url, { headers, signal: stop.signal });
  const read = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await read.read();
    if (done) throw new Error("the stream ended");
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const found = wanted(event(block));
      if (found === null) continue;
      stop.abort();
      return found;
    }
  }
}

/** One event of the stream, by its parts. */
export function event(block) {
  const part = (name) => block.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? null;
  return { id: part("id"), name: part("event"), data: part("data") };
}
