// An identity provider on loopback with two people in it:
//   node provider.mjs PORT REDIRECT_URI HOME
// Anybody who types `aysel` is in the group `noc-shift`; everybody else is in none. Whatever password
// is typed is right: what is tested is what comes after it.

import Provider from "oidc-provider";

const [port, redirect, home] = process.argv.slice(2);
if (home === undefined) {
  console.error("usage: node provider.mjs PORT REDIRECT_URI HOME");
  process.exit(2);
}
const GROUPS = { aysel: ["staff", "noc-shift"] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: "silkline",
    client_secret: "a secret, with odd letters: +%/=",
    redirect_uris: [redirect],
    post_logout_redirect_uris: [home],
  }],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  scopes: ["openid", "profile", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["only for a test"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, groups: GROUPS[id] ?? [] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
