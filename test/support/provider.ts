import { onTestFinished } from "bun:test";
import { loginRecord, type OidcLogin, storedLogin } from "../../src/auth/credential.ts";
import { vaultOf } from "./age.ts";
import type { Person } from "./codemie.ts";

/** An OpenID provider that renews tokens, or does not, as the test wants it. */
export interface TestProvider {
  readonly issuer: string;
  /** how it answers: with new tokens; not at all; 503; that the refresh token is dead; an answer that is no metadata */
  mode: "renews" | "hangs" | "busy" | "dead" | "useless";
  /** what else a token answer holds */
  extra: Record<string, unknown>;
  /** the refresh tokens it was shown */
  readonly shown: string[];
  /** Stops listening: connections are refused from now on. */
  goDown(): Promise<void>;
}

/** Starts a provider for one test, with which it ends. */
export function ownOpenIdProvider(accessToken: () => Promise<string>): TestProvider {
  const shown: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      if (provider.mode === "hangs") return await new Promise<Response>(() => undefined);
      if (provider.mode === "busy") return new Response("busy", { status: 503 });
      if (provider.mode === "useless") return Response.json({ hello: "world" });
      const { issuer } = provider;
      if (new URL(request.url).pathname !== "/token") {
        return Response.json({
          issuer,
          authorization_endpoint: `${issuer}/auth`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/jwks`,
        });
      }
      shown.push(new URLSearchParams(await request.text()).get("refresh_token") ?? "");
      if (provider.mode === "dead") return Response.json({ error: "invalid_grant" }, { status: 400 });
      const token = await accessToken();
      return Response.json({ access_token: token, token_type: "Bearer", expires_in: 600, ...provider.extra });
    },
  });
  const provider: TestProvider = {
    issuer: `http://127.0.0.1:${server.port}`,
    mode: "renews",
    extra: {},
    shown,
    goDown: () => server.stop(true),
  };
  onTestFinished(() => server.stop(true));
  return provider;
}

/**
 * Gives a person a profile that is logged in at a provider.
 *
 * @param origin the CodeMie host
 * @param login the members that are not the usual ones; `expiresAt` undefined leaves it out
 */
export async function holdsTokens(
  person: Person,
  origin: string,
  login: Pick<OidcLogin, "issuer" | "accessToken"> & Partial<OidcLogin>,
): Promise<void> {
  const { issuer } = login;
  const client = { issuer, clientId: "cli", scope: "openid" };
  person.writeConfig({
    version: 2,
    activeProfile: "default",
    profiles: { default: { name: "default", provider: "bearer-auth", codeMieUrl: origin, oidc: client } },
  });
  const vault = vaultOf(person);
  await vault.prepare();
  const since = Date.now() - 3_600_000;
  const record = {
    method: "oidc",
    origin,
    identity: { id: "ada", name: "Ada", email: "ada@example.com" },
    loggedInAt: since,
    confirmedAt: since,
    ...client,
    ...login,
  };
  await vault.write(loginRecord("default"), storedLogin.parse(record));
}
