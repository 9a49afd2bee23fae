import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportPKCS8, exportSPKI, generateKeyPair } from "jose";

/** The program and the files of Debian's package `glewlwyd` (version 2.7). */
const program = "/usr/bin/glewlwyd";
const schema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const sample = "/usr/share/doc/glewlwyd/glewlwyd.conf.sample.gz";
const pages = "/usr/share/glewlwyd/webapp";
const person = { username: "ada", password: "a-password-for-ada" };

/** How the provider renews: a new refresh token each time, the one before being spent; or the same one for ever. */
export type Renewal = "rotates" | "keeps";

/** A Glewlwyd of this machine, on a port of its own, with one person. */
export interface Glewlwyd {
  readonly issuer: string;
  /** Sets its OpenID plug-in up anew. */
  renewing(how: Renewal): Promise<void>;
  /** Registers a client. */
  register(client: { client_id: string } & Record<string, unknown>): Promise<void>;
  /** Does what the person does in the browser: logs in, consents, and follows the address back. */
  visit(address: string): Promise<void>;
  /** Enters a device code, as the person does. */
  enter(code: string): Promise<void>;
  stop(): Promise<void>;
}

/** @returns true when Debian's package is there, and SQLite's program, which makes its database */
export const isInstalled = (): boolean => existsSync(program) && existsSync(schema) && Bun.which("sqlite3") !== null;

/** Starts a Glewlwyd with SQLite in a folder of its own. */
export async function startGlewlwyd(): Promise<Glewlwyd> {
  const folder = mkdtempSync(join(tmpdir(), "codemie-glewlwyd-"));
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const database = join(folder, "glewlwyd.db");
  cpSync(pages, join(folder, "pages"), { recursive: true, dereference: true });
  const values: Record<string, string> = {
    port: String(port),
    bind_address: '"127.0.0.1"',
    external_url: `"${origin}"`,
    cookie_secure: "0",
    log_mode: '"file"',
    log_file: `"${join(folder, "log")}"`,
    static_files_path: `"${join(folder, "pages")}/"`,
  };
  const lines = Bun.gunzipSync(await Bun.file(sample).bytes());
  const kept = new TextDecoder()
    .decode(lines)
    .replaceAll("/var/cache/glewlwyd/glewlwyd.db", database)
    .split("\n")
    .filter((line) => !Object.keys(values).some((name) => new RegExp(`^#?${name}\\s*=`).test(line)));
  const own = Object.entries(values).map(([name, value]) => `${name}=${value}`);
  writeFileSync(join(folder, "conf"), [...own, ...kept].join("\n"));
  Bun.spawnSync(["sqlite3", database], { stdin: Bun.file(schema) });
  const child = Bun.spawn([program, `--config-file=${join(folder, "conf")}`], { stdout: "ignore", stderr: "ignore" });
  while (
    child.exitCode === null &&
    !(await fetch(`${origin}/config`).then(
      ({ ok }) => ok,
      () => false,
    ))
  )
    await Bun.sleep(50);
  if (child.exitCode !== null) throw new Error(`glewlwyd ended: ${await Bun.file(join(folder, "log")).text()}`);

  const stop = async () => {
    child.kill();
    await child.exited;
    rmSync(folder, { recursive: true });
  };
  try {
    return await configured(origin, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Sets the provider up by its own interface. */
async function configured(origin: string, stop: () => Promise<void>): Promise<Glewlwyd> {
  const admin = await logIn(origin, { username: "admin", password: "password" });
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${origin}/api${path}`, {
      method,
      headers: { cookie: admin, ...(body ? { "content-type": "application/json" } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  };
  const keys = await generateKeyPair("RS256", { extractable: true });
  const plugin = async (how: Renewal) => ({
    module: "oidc",
    name: "oidc",
    display_name: "OpenID Connect",
    enabled: true,
    parameters: {
      iss: `${origin}/api/oidc`,
      ...{ "jwt-type": "rsa", "jwt-key-size": "256" },
      ...{ key: await exportPKCS8(keys.privateKey), cert: await exportSPKI(keys.publicKey) },
      ...{ "access-token-duration": 3600, "refresh-token-duration": 86_400, "code-duration": 600 },
      ...{ "refresh-token-rolling": true, "refresh-token-one-use": how === "rotates" ? "always" : "never" },
      ...{ "auth-type-code-enabled": true, "auth-type-device-enabled": true, "auth-type-refresh-enabled": true },
      ...{ "auth-type-token-enabled": false, "auth-type-implicit-enabled": false, "auth-type-password-enabled": false },
      ...{ "auth-type-client-enabled": false, "auth-type-none-enabled": false, "allow-non-oidc": true },
      ...{ "pkce-allowed": true, "pkce-required-public-client": true, "jwks-show": true, "oauth-as-iss-id": true },
      ...{ "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true },
      ...{
        "resource-allowed": true,
        "resource-client-property": "resource",
        "resource-scope-and-client-property": false,
      },
      ...{ "device-authorization-expiration": 600, "device-authorization-interval": 2, "subject-type": "public" },
      ...{ "allowed-scope": ["openid", "profile", "email", "offline_access"] },
      ...{ "name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "on-demand" },
    },
  });
  await call("POST", "/mod/plugin/", await plugin("rotates"));
  for (const name of ["profile", "email", "offline_access", "mcp"]) {
    await call("POST", "/scope/", {
      name,
      display_name: name,
      description: name,
      password_required: false,
      scheme: {},
    });
  }
  await call("PUT", "/scope/openid", {
    display_name: "openid",
    description: "openid",
    password_required: true,
    scheme: {},
  });
  const scopes = ["openid", "profile", "email", "offline_access", "mcp", "g_profile"];
  const about = { name: "Ada", email: "ada@example.com", enabled: true, scope: scopes };
  await call("POST", "/user/", { ...person, ...about });

  const session = await logIn(origin, person);
  return {
    issuer: `${origin}/api/oidc`,
    async renewing(how) {
      await call("DELETE", "/mod/plugin/oidc");
      await call("POST", "/mod/plugin/", await plugin(how));
    },
    register: async (client) => await call("POST", "/client/", { name: client.client_id, enabled: true, ...client }),
    async visit(address) {
      const { searchParams } = new URL(address);
      await consent(origin, session, searchParams.get("client_id") ?? "", searchParams.get("scope") ?? "");
      const answer = await fetch(`${address}&g_continue`, { headers: { cookie: session }, redirect: "manual" });
      const back = answer.headers.get("location") ?? "";
      if (!back.includes("code=")) throw new Error(`no code: ${answer.status} ${back}`);
      await (await fetch(back)).text();
    },
    async enter(code) {
      await consent(origin, session, "public", "openid profile email offline_access");
      const address = `${origin}/api/oidc/device?code=${code}&g_continue`;
      const answer = await fetch(address, { headers: { cookie: session }, redirect: "manual" });
      const { searchParams } = new URL(answer.headers.get("location") ?? "", origin);
      if (searchParams.get("prompt") !== "deviceComplete") throw new Error(`the code is not taken: ${searchParams}`);
    },
    stop,
  };
}

/** @returns the session's cookies, as a header */
async function logIn(origin: string, who: object): Promise<string> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${origin}/api/auth/`, { method: "POST", headers, body: JSON.stringify(who) });
  if (!answer.ok) throw new Error(`nobody can log in: ${answer.status}`);
  return answer.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";", 1)[0])
    .join("; ");
}

async function consent(origin: string, cookie: string, client: string, scope: string): Promise<void> {
  const headers = { cookie, "content-type": "application/json" };
  const body = JSON.stringify({ scope });
  const answer = await fetch(`${origin}/api/auth/grant/${client}`, { method: "PUT", headers, body });
  if (!answer.ok) throw new Error(`no consent for ${client}: ${answer.status}`);
}

async function freePort(): Promise<number> {
  const taken = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = taken;
  taken.stop(true);
  return port;
}
