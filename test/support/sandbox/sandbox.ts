import type { ServerResponse } from "node:http";
import { answerApi, type BackendSettings, usualBackend } from "./backend.ts";
import { Front, type FrontSettings } from "./front.ts";
import { listen, readRequest, type Seen, send } from "./http.ts";
import { type Identity, type ProviderClient, startIdentity } from "./identity.ts";

export type SandboxSettings = FrontSettings & BackendSettings;

/** A stand-in CodeMie deployment: web app, cookie front with a real OpenID provider behind it, backend. */
export interface Sandbox {
  /** the host, as a user would give it */
  readonly origin: string;
  readonly issuer: string;
  /** what the identity provider was asked, method and path */
  readonly identityRequests: string[];
  /** every request the host received, in order */
  readonly record: Seen[];
  readonly front: Front;
  /** change these at any time */
  readonly settings: SandboxSettings;
  /** the requests below `/code-assistant-api`, by path there */
  calls(path: string): Seen[];
  /** Puts the settings back to those it began with and forgets what it recorded; sessions go on. */
  reset(): void;
  close(): Promise<void>;
}

const api = "/code-assistant-api";
const spa = '<!doctype html><html><head><title>CodeMie</title></head><body><div id="root"></div></body></html>';

/** @param moreClients clients of its provider besides the usual ones */
export async function startSandbox(
  changes: Partial<SandboxSettings> = {},
  moreClients: readonly ProviderClient[] = [],
): Promise<Sandbox> {
  const settings: SandboxSettings = {
    chunks: 2,
    expireMs: 168 * 3600 * 1000,
    refreshMs: 0,
    innerSeconds: 28_500,
    rotates: true,
    firstCookieOnly: false,
    answersCheck: true,
    hangsCheck: false,
    mode: "ingress",
    ...usualBackend,
    ...changes,
  };
  const first = { ...settings };
  const host = await listen();
  const front = new Front(host.origin, settings);
  const identity: Identity = await startIdentity(front.redirectUri, () => settings.innerSeconds, moreClients);
  front.connect(identity);
  const record: Seen[] = [];

  async function handle(seen: Seen, response: ServerResponse): Promise<void> {
    record.push(seen);
    if (settings.clockOffMs) response.setHeader("date", new Date(Date.now() + settings.clockOffMs).toUTCString());
    if (await front.handle(seen, response)) return;
    const found = await front.authenticate(seen);
    if (!found && settings.mode === "ingress") return front.sendToLogin(seen, response);
    if (seen.path === api || seen.path.startsWith(`${api}/`)) {
      return await answerApi(seen, response, found?.session, settings, passedOn(found?.setCookies ?? []));
    }
    if (seen.path === "/config.js") {
      const script = `window._env_ = { VITE_API_URL: "${host.origin}${api}", VITE_ENV: "sandbox" };`;
      return send(response, 200, script, { "content-type": "application/javascript", "cache-control": "no-store" });
    }
    if (seen.method !== "GET" && seen.method !== "HEAD") {
      return send(response, 405, "<html><h1>405 Not Allowed</h1></html>", { "content-type": "text/html" });
    }
    send(response, 200, spa, { "content-type": "text/html" });
  }

  const passedOn = (cookies: string[]) => (settings.firstCookieOnly ? cookies.slice(0, 1) : cookies);
  host.handle(async (request, response) => handle(await readRequest(request), response));
  return {
    origin: host.origin,
    issuer: identity.issuer,
    identityRequests: identity.requests,
    record,
    front,
    settings,
    calls: (path) => record.filter((seen) => seen.path === api + path),
    reset() {
      Object.assign(settings, first);
      record.length = identity.requests.length = front.refreshes = 0;
    },
    async close() {
      await host.close();
      await identity.close();
    },
  };
}
