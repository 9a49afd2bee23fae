import { record } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { covering, findServer } from "../../../mcp/oauth/discovery.ts";
import { giveUp } from "../../../mcp/oauth/grant.ts";
import { GrantStore, type StoreKey } from "../../../mcp/oauth/store.ts";
import { addressesNamedBy } from "../../../oauth/addresses.ts";
import { OAuthHttp } from "../../../oauth/http.ts";
import { Cookies } from "../../../platform/cookie-jar.ts";
import { serverUrl } from "../../bridge/args.ts";
import { type Cli, command } from "../../frame/command.ts";

/** How long revoking the tokens may take, ms. */
const patienceMs = 5_000;

/** `codemie mcp logout URL`. It exits 0 even if nothing was stored, or the tokens were not revoked. */
export const mcpLogout = (cli: Cli) =>
  command({
    meta: { name: "logout", description: "Revoke and remove the login that --persist keeps for a server" },
    examples: ["codemie mcp logout https://mcp.example.com/mcp"],
    args: { url: { type: "positional", required: true, description: "the address of the server" } },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault } = stores(runtime);
      const url = serverUrl(args.url, true);
      const store = new GrantStore(vault, runtime.home);
      await store.endRests(url);
      const found = (await store.keys()).filter((key) => isFor(key, url));
      const done: { issuer: string; resource: string; revoked: boolean }[] = [];
      for (const key of found) {
        const revoked = await revokedAtServer(cli, store, key, url);
        await store.remove(key);
        const { issuer, resource } = key;
        done.push({ issuer, resource, revoked });
        const detail = { issuer, revoked: revoked ? "yes" : "no" };
        await record(cli, vault, { event: "logout", profile: "", host: url.origin, outcome: "ok", detail });
      }
      output.result(done, () => {
        if (done.length === 0) return [`no login at ${url.href} is stored`];
        return done.map(({ issuer, resource, revoked }) => {
          const remote = revoked ? `${issuer} revoked its tokens` : `${issuer} did not revoke its tokens`;
          return `${output.paint("good", "✓")} the login at ${resource} is removed (${remote})`;
        });
      });
    },
  });

/** @returns true for a login whose resource covers the address, or one for another resource that its server got */
function isFor({ resource, server }: StoreKey, url: URL): boolean {
  const isElsewhere = URL.parse(resource)?.origin !== server;
  return covering(resource, url) || (isElsewhere && server === url.origin);
}

/** Revokes the tokens. @returns false when the authorization server did not; the caller removes them here anyway */
async function revokedAtServer({ runtime }: Cli, store: GrantStore, key: StoreKey, url: URL): Promise<boolean> {
  const http = new OAuthHttp({ fetch: runtime.fetch, rule: addressesNamedBy(url, true), cookies: new Cookies() });
  const login = await store.read(key);
  if (!login) return false;
  try {
    const server = await findServer(key.issuer, http, () => undefined);
    return server?.issuer === key.issuer && (await giveUp(server, login.client, login.grant, http, patienceMs));
  } catch {
    return false;
  }
}
