// People sign in by an identity provider, in a real browser:
//   node sign-in.mjs BASE_URL PROVIDER_URL
// Aysel is in the shift and gets in, acts under her name and signs out of both; Elnur is in no group
// and is told so.

import { inBrowser } from "./browser.mjs";
import { violations } from "./axe.mjs";

const [base, provider] = process.argv.slice(2);
if (provider === undefined) {
  console.error("usage: node sign-in.mjs BASE_URL PROVIDER_URL");
  process.exit(2);
}

await inBrowser(base, async ({ open, complain, forgive }) => {
  const page = await open(null);
  // The provider's own pages would fetch letters from elsewhere; nothing leaves this machine.
  await page.route((url) => ![new URL(base).host, new URL(provider).host].includes(url.host), (route) => route.abort());
  const at = (where) => page.waitForURL((url) => url.href.startsWith(where));
  const login = async (name) => {
    await page.getByRole("link", { name: "Sign in by the shift's provider" }).click();
    await at(provider);
    await page.fill("input[name=login]", name);
    await page.fill("input[name=password]", "any will do");
    await page.locator("button[type=submit]").click();
    await page.getByRole("button", { name: "Continue" }).click();
    await at(base);
  };

  await page.goto(new URL("/#/admin", base).href);
  await page.getByRole("link", { name: "Sign in by" }).waitFor();
  for (const complaint of await violations(page)) complain(`sign-in: ${complaint}`);
  if ((await page.locator("input[name=password]").count()) > 0) complain("a password is asked for, and nobody has one");
  await login("elnur");
  await page.getByRole("alert").filter({ hasText: "none of your groups may sign in here" }).waitFor();
  await page.context().clearCookies();

  await login("aysel");
  await page.waitForSelector(".heard:not(.lost)");
  await page.goto(new URL("/#/admin", base).href);
  await page.getByText("Signed in as aysel, operator, lines west-east").waitFor();
  console.log("in");
  await page.getByRole("button", { name: "Sign out" }).click();
  await at(`${provider}/session/end`);
  await page.getByRole("button", { name: "Yes" }).click();
  await at(base);
  await page.getByRole("link", { name: "Sign in by" }).waitFor();
  console.log("out");
  // Before anybody has signed in, each question is refused, and a browser writes that to its console.
  forgive(/status of 401|asked elsewhere: http:\/\/127\.0\.0\.1|ERR_FAILED|asked elsewhere: https:\/\/fonts|asked elsewhere: (http|https):\/\/[^ ]*(font|google)/);
});
