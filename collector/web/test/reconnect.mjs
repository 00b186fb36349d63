// A page outlives its collector:
//   node reconnect.mjs BASE_URL
// Opens the page and says `ready` on its standard output; whoever runs it ends the collector, waits for
// `lost`, starts it again, and waits for `back`.

import { inBrowser } from "./browser.mjs";

const [base] = process.argv.slice(2);
await inBrowser(base, async ({ open, forgive }) => {
  const page = await open("/");
  await page.waitForSelector(".heard:not(.lost)");
  console.log("ready");
  await page.waitForSelector(".page.old .heard.lost");
  console.log("lost");
  await page.waitForSelector(".page:not(.old) .heard:not(.lost)");
  console.log("back");
  // A browser writes every refused connection to its console; here that is the story.
  forgive(/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/);
});
