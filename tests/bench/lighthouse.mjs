// The overview held against Lighthouse: on a desk as a NOC has it, and on a phone on a slow line.

import lighthouse, { desktopConfig } from "lighthouse";
import { launch } from "chrome-launcher";

const CATEGORIES = ["performance", "accessibility", "best-practices"];

/** The scores of both, 0 to 100, with what the desk's fall short for. */
export async function scores(chromePath, url, userDataDir) {
  const chromeFlags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const chrome = await launch({ chromePath, chromeFlags, userDataDir, logLevel: "silent" });
  try {
    const options = { port: chrome.port, output: "json", logLevel: "error", onlyCategories: CATEGORIES };
    const desk = (await lighthouse(url, options, desktopConfig)).lhr;
    const phone = (await lighthouse(url, options)).lhr;
    return { version: desk.lighthouseVersion, desktop: all(desk), phone: all(phone), why: [...shortfalls(desk, "desk"), ...shortfalls(phone, "phone")] };
  } finally {
    await chrome.kill();
  }
}

const all = ({ categories }) => Object.fromEntries(CATEGORIES.map((name) => [name, Math.round(categories[name].score * 100)]));

/** Every audit that counts and is not whole. */
function shortfalls({ categories, audits }, where) {
  const counted = CATEGORIES.flatMap((name) => categories[name].auditRefs.filter(({ weight }) => weight > 0));
  const short = counted.map(({ id }) => audits[id]).filter(({ score }) => score !== null && score < 0.9);
  return short.map(({ id, title, displayValue, details }) => `${where}: ${id}: ${title} ${displayValue ?? ""} ${(details?.items ?? []).slice(0, 2).map((item) => JSON.stringify(item).slice(0, 200)).join(" ")}`);
}
