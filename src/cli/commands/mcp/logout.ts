import { record } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { nearest, printable } from "../../../core/text.ts";
import { covering, findServer } from "../../../mcp/oauth/discovery.ts";
import { type Grant, giveUp } from "../../../mcp/oauth/grant.ts";
import { GrantStore, type StoreKey } from "../../../mcp/oauth/store.ts";
import { addressesNamedBy } from "../../../oauth/addresses.ts";
import type { Client } from "../../../oauth/client.ts";
import { OAuthHttp } from "../../../oauth/http.ts";
import { Cookies } from "../../../platform/cookie-jar.ts";
import { readMcpArgs, serverUrl } from "../../bridge/args.ts";
import { keyOf } from "../../bridge/oauth.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { registeredIn, shown } from "./list.ts";

/** How long revoking the tokens may take, ms. */
const patienceMs = 5_000;

/** Flags that say how our client proves itself: no record holds that, so revoking needs them again. */
const clientArgs = {
  "client-id": { type: "string", valueHint: "ID", description: "only the login of this client" },
  "client-secret-env": { type: "string", valueHint: "NAME", description: "variable with the client's secret" },
  "client-key-env": { type: "string", valueHint: "NAME", description: "variable with its private key instead" },
  "client-key": { type: "string", valueHint: "FILE", description: "its private key instead, PKCS#8 PEM or JWK" },
} as const;

/**
 * `codemie mcp logout URL`, or the server's name. It exits 0 even if nothing was stored, or the server did not revoke the tokens. A login of a client with
 * a secret or a key stays until that is given too, or `--no-revoke`: without it nobody can revoke the tokens any more.
 */
export const mcpLogout = (cli: Cli) =>
  command({
    meta: { name: "logout", description: "Revoke and remove the login that --persist keeps for a server" },
    examples: [
      "codemie mcp logout https://mcp.example.com/mcp",
      "codemie mcp logout https://mcp.example.com/mcp --client-secret-env TEAM_SECRET",
    ],
    args: {
      url: { type: "positional", required: true, description: "the address of the server, or its name in Claude Code" },
      ...clientArgs,
      revoke: {
        type: "boolean",
        default: true,
        negativeDescription: "remove the login, and leave its tokens as they are",
      },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault } = stores(runtime);
      const url = serverUrl(addressOf(args.url, cli), true);
      const clientId = args["client-id"];
      const given = await proofOf(
        cli,
        url,
        Object.keys(clientArgs).flatMap((name) => flagOf(name, args)),
      );
      const store = new GrantStore(vault, runtime.home);
      await store.endRests(url);
      const found = (await store.keys()).filter(
        (key) => isFor(key, url) && (clientId === undefined || key.client === clientId),
      );
      const logins = await Promise.all(found.map(async (key) => ({ key, login: await store.read(key) })));
      if (args.revoke && !given && logins.some(({ login }) => login && lacksProof(login.client)))
        throw commandFailure.clientProofNeeded(shown(url));
      const done: { issuer: string; resource: string; revoked: boolean }[] = [];
      for (const { key, login } of logins) {
        const client = login && { ...login.client, ...(lacksProof(login.client) ? given : {}) };
        const revoked =
          args.revoke && login && client ? await revokedAtServer(cli, key, client, login.grant, url) : false;
        await store.remove(key);
        const { issuer, resource } = key;
        done.push({ issuer, resource, revoked });
        const detail = { issuer, revoked: revoked ? "yes" : "no" };
        await record(cli, vault, { event: "logout", profile: "", host: url.origin, outcome: "ok", detail });
      }
      output.result(done, () => {
        if (done.length === 0) return [`no login at ${shown(url)} is stored`];
        return done.map(({ issuer, resource, revoked }) => {
          const remote = revoked ? `${issuer} revoked its tokens` : `its tokens were not revoked at ${issuer}`;
          return `${output.paint("good", "✓")} the login at ${withoutQuery(resource)} is removed (${remote})`;
        });
      });
    },
  });

const withoutQuery = (resource: string): string => {
  const url = URL.parse(resource);
  return url ? shown(url) : printable(resource, 200);
};

const flagOf = (name: string, args: Readonly<Record<string, unknown>>): string[] =>
  typeof args[name] === "string" ? [`--${name}`, args[name]] : [];

/**
 * @param typed the server's address, or the name it is registered by; a name in the current folder's file counts for nothing
 * @returns the address
 * @throws usage error for a name that no server has, or servers of several addresses
 */
function addressOf(typed: string, { runtime }: Cli): string {
  if (!/^[A-Za-z0-9_-]+$/.test(typed)) return typed;
  const servers = registeredIn(runtime).filter(({ scope }) => scope !== "project");
  const found = [...new Set(servers.filter(({ name }) => name === typed).map(({ url }) => url.href))];
  const [address] = found;
  if (address === undefined || found.length > 1) {
    const close = nearest(
      typed,
      servers.map(({ name }) => name),
    );
    throw commandFailure.noServer(typed, found.length, close);
  }
  return address;
}

/** True for a client with a secret or a key that no record holds. */
const lacksProof = ({ method, secret }: Client) => method !== "none" && secret === undefined;

/** @returns what the flags say of the client's proof, checked as the bridge checks it; undefined without such flags */
async function proofOf({ runtime }: Cli, url: URL, flags: readonly string[]): Promise<Partial<Client> | undefined> {
  const id = flags.includes("--client-id") ? [] : ["--client-id", "kept"];
  const asked = readMcpArgs([url.href, "--allow-http", ...id, ...flags], runtime.env);
  const key = await keyOf(asked, runtime.cwd);
  if (!asked.clientSecret && !key) return undefined;
  return { ...(asked.clientSecret ? { secret: asked.clientSecret } : {}), ...(key ? { key } : {}) };
}

/** @returns true for a login whose resource covers the address, or one for another resource that its server got */
function isFor({ resource, server }: StoreKey, url: URL): boolean {
  const isElsewhere = URL.parse(resource)?.origin !== server;
  return covering(resource, url) || (isElsewhere && server === url.origin);
}

/** Revokes the tokens. @returns false when the authorization server did not; the caller removes them here anyway */
async function revokedAtServer(
  { runtime }: Cli,
  key: StoreKey,
  client: Client,
  grant: Grant,
  url: URL,
): Promise<boolean> {
  const http = new OAuthHttp({ fetch: runtime.fetch, rule: addressesNamedBy(url, true), cookies: new Cookies() });
  try {
    const server = await findServer(key.issuer, http, () => undefined);
    return server?.issuer === key.issuer && (await giveUp(server, client, grant, http, patienceMs));
  } catch {
    return false;
  }
}
