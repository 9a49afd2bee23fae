import { resolve } from "node:path";
import { record } from "../../access/audit.ts";
import { brokerFor } from "../../access/credentials.ts";
import { stores } from "../../access/stores.ts";
import { longestKey } from "../../auth/client-proof.ts";
import { freshIdToken } from "../../auth/id-token.ts";
import type { LoginDialogue } from "../../auth/login/browser.ts";
import { secretsInHeaders } from "../../core/redaction.ts";
import { Secret } from "../../core/secret.ts";
import type { Log } from "../../mcp/log.ts";
import type { EnterpriseProvider } from "../../mcp/oauth/machine.ts";
import { OAuthSession } from "../../mcp/oauth/session.ts";
import { GrantStore } from "../../mcp/oauth/store.ts";
import { addressesNamedBy } from "../../oauth/addresses.ts";
import { authMethodFor } from "../../oauth/client.ts";
import { oauthFailure } from "../../oauth/failures.ts";
import { OAuthHttp, withHeadersFor } from "../../oauth/http.ts";
import type { Trace } from "../../oauth/trace.ts";
import type { Cookies } from "../../platform/cookie-jar.ts";
import { readNamedText } from "../../platform/foreign-files.ts";
import type { Runtime } from "../../platform/runtime.ts";
import { environmentForOthers } from "../../profiles/environment.ts";
import { resolveProfile } from "../../profiles/resolve.ts";
import type { Vault } from "../../vault/vault.ts";
import type { Cli } from "../frame/command.ts";
import { dialogueOf } from "../frame/login-dialogue.ts";
import type { McpArgs } from "./args.ts";

/** The parts of the running bridge, or of `--explain`, that the OAuth client uses. */
export interface OAuthContext {
  readonly cookies: Cookies;
  readonly log: Log;
  readonly stop: AbortSignal;
  readonly trace?: Trace;
}

/**
 * Makes the OAuth client of one server, once that server demands a token.
 *
 * @throws usage error when there is no file with the client's key; `vault_unreadable` when it cannot be read
 */
export async function oauthSession(cli: Cli, asked: McpArgs, context: OAuthContext): Promise<OAuthSession> {
  const { runtime } = cli;
  const { cookies, log, stop } = context;
  const { vault, profiles } = stores(runtime);
  const { url, grant } = asked;
  const trace: Trace = (step) => {
    // No detail in the log: it holds the server's own words.
    log.debug(`${step.name}: ${step.ok ? "ok" : "failed"}`);
    context.trace?.(step);
  };
  const client = {
    clientId: asked.clientId,
    clientSecret: asked.clientSecret,
    clientKey: await keyOf(asked, runtime.cwd),
    metadataUrl: asked.clientMetadataUrl,
    clientName: runtime.env.MCP_CLIENT_NAME || "CodeMie CLI",
  };
  const person = {
    runtime,
    dialogue: loggedToo(dialogueOf(cli, url.origin), log),
    timeoutMs: asked.authSeconds * 1000,
    mayOpenBrowser: asked.browser,
    byDevice: asked.byDevice,
    browserEnv: environmentForOthers(runtime, profiles),
    callback: asked.callback,
    prompt: asked.prompt,
    parameters: asked.authorizeParameters,
    stop,
  };
  const where = { profile: asked.profile ?? "", host: url.origin, outcome: "ok" } as const;
  return new OAuthSession({
    url,
    grant,
    scope: asked.scope,
    resource: asked.resource,
    issuer: asked.issuer,
    client,
    person,
    enterprise: grant === "enterprise" ? () => providerOf(cli, asked, vault, log) : undefined,
    workload: asked.workload && identityOf(runtime, asked.workload),
    store: asked.persist ? new GrantStore(vault, runtime.home) : undefined,
    http: new OAuthHttp({
      fetch: withHeadersFor(url.origin, asked.headers, runtime.fetch),
      rule: addressesNamedBy(url, asked.allowHttp),
      secrets: secretsInHeaders(asked.headers, true),
      cookies,
      debug: (text) => log.debug(text),
    }),
    log,
    trace,
    authorized: (issuer) => {
      const detail = { issuer, grant, stored: asked.persist ? "yes" : "no" };
      return record(cli, vault, { event: "mcp-authorized", ...where, detail }, { begin: true });
    },
    // Audited for a stored login only: without `--persist` the token ends with the process.
    renewed: async (issuer) => {
      if (asked.persist) await record(cli, vault, { event: "refresh", ...where, detail: { issuer } });
    },
  });
}

/** Writes the address to open to the log as well, before the wait for the person begins. */
function loggedToo(dialogue: LoginDialogue, log: Log): LoginDialogue {
  return {
    ...dialogue,
    readPaste: undefined, // standard input is the client's
    atUrl(url, opened, canPaste) {
      log.toOpen(opened ? "opening" : "to be opened", url);
      dialogue.atUrl(url, opened, canPaste);
    },
    atCode(address, code) {
      log.toOpen(`enter the code ${code} at`, address);
      dialogue.atCode(address, code);
    },
    note(text) {
      log.info(text);
      dialogue.note(text);
    },
  };
}

/** @returns the client's private key; throws when its file cannot be read */
export async function keyOf({ clientKey }: Pick<McpArgs, "clientKey">, cwd: string): Promise<Secret | undefined> {
  if (clientKey === undefined || clientKey instanceof Secret) return clientKey;
  const file = resolve(cwd, clientKey.file);
  const text = await readNamedText(file, longestKey);
  if (text === undefined) throw oauthFailure.key(`there is no file ${file}`);
  return new Secret(text);
}

/** @returns a function from an authorization server's issuer to an identity token of this job for it, fetched anew each time */
function identityOf(runtime: Runtime, { source, audience }: NonNullable<McpArgs["workload"]>) {
  return async (issuer: string): Promise<Secret> => {
    const { parseIdentitySource } = await import("../../auth/identity-source.ts");
    const { readIdentityToken } = await import("../../auth/identity-token.ts");
    const from = parseIdentitySource(source, "--id-token");
    return (await readIdentityToken(from, audience ?? issuer, runtime)).bearer.token;
  };
}

/** The company's identity provider and a person's ID token: as the flags name them, else those of a profile's login. */
async function providerOf(cli: Cli, asked: McpArgs, vault: Vault, log: Log): Promise<EnterpriseProvider> {
  const { runtime } = cli;
  const found = asked.provider ? namedProvider(asked.provider) : await providerOfProfile(cli, asked, vault);
  const rule = addressesNamedBy(new URL(found.server.token_endpoint), false);
  return { ...found, http: new OAuthHttp({ fetch: runtime.fetch, rule, debug: (text) => log.debug(text) }) };
}

function namedProvider({ tokenEndpoint, clientId, clientSecret, idToken }: NonNullable<McpArgs["provider"]>) {
  const server = { issuer: tokenEndpoint.origin, token_endpoint: tokenEndpoint.href };
  const method = authMethodFor(server, clientSecret, undefined, clientId);
  return { server, client: { id: clientId, method, ...(clientSecret ? { secret: clientSecret } : {}) }, idToken };
}

async function providerOfProfile(cli: Cli, asked: McpArgs, vault: Vault) {
  const { profiles } = stores(cli.runtime);
  const resolved = resolveProfile(await profiles.read(), { profile: asked.profile }, cli.runtime.env, {});
  return await freshIdToken(brokerFor(cli, vault, resolved), resolved.name);
}
