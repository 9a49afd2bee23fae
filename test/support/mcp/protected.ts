import { createHash, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { Person } from "../codemie.ts";
import { listen, readRequest, type Seen, send, sendJson } from "../sandbox/http.ts";
import { RawBridge, type Rpc } from "./bridge.ts";
import { initializeResult } from "./scripted.ts";

/** What a test changes of a protected server; everything else is as the specifications want it. */
export interface Settings {
  /** members of the protected resource metadata; undefined: there is none */
  resource: Rpc;
  /** members of the authorization server metadata; undefined: there is none */
  server: Rpc;
  /** raw body of the authorization server metadata */
  serverBody: string | undefined;
  /** what the challenge says besides where the metadata is */
  challenge: string;
  /** what the authorization endpoint sends back, besides code and state */
  callback: Record<string, string | undefined>;
  /** answers a request to the authorization server itself */
  answer: ((seen: Seen, response: ServerResponse) => void | Promise<void>) | undefined;
  /** judges a request to the MCP server with a valid token; true when it answered */
  guard: ((message: Rpc, scope: string, response: ServerResponse) => boolean) | undefined;
  /** answers a GET to the MCP server itself, whatever its token */
  stream: ((response: ServerResponse) => void) | undefined;
  /** the MCP server takes no token at all */
  takesNone: boolean;
  /** another one, whose authorization server's tokens the MCP server takes, and names, in place of its own */
  trusts: Protected | undefined;
  expiresIn: number;
}

export interface Protected {
  readonly url: string;
  readonly origin: string;
  readonly issuer: string;
  readonly settings: Settings;
  readonly record: Seen[];
  readonly serverRecord: Seen[];
  /** every secret that was handed out, and every one we were sent */
  readonly secrets: string[];
  readonly live: Map<string, string>;
  /** requests to the authorization server, by path */
  calls(path: string): Seen[];
  /** Takes no token that was given so far, and refuses to renew any: what is left is a new authorization. */
  forgetTokens(): void;
  close(): Promise<void>;
}

/** Starts an MCP server that demands a token, and its authorization server, which grants everything at once. */
export async function startProtected(changes: Partial<Settings> = {}): Promise<Protected> {
  const [server, authorization] = [await listen(), await listen()];
  const settings: Settings = {
    resource: {},
    server: {},
    serverBody: undefined,
    challenge: "",
    callback: {},
    answer: undefined,
    guard: undefined,
    stream: undefined,
    takesNone: false,
    trusts: undefined,
    expiresIn: 3600,
    ...changes,
  };
  const record: Seen[] = [];
  const serverRecord: Seen[] = [];
  const secrets: string[] = [];
  const live = new Map<string, string>();
  const refreshes = new Map<string, string>();
  const codes = new Map<string, { challenge: string; scope: string }>();
  const secret = (kind: string) => {
    const made = `${kind}-${randomUUID()}`;
    secrets.push(made);
    return made;
  };

  server.handle(async (request, response) => {
    const seen = await readRequest(request);
    record.push(seen);
    if (seen.path === "/.well-known/oauth-protected-resource/mcp") {
      if (settings.resource === undefined) return send(response, 404, "none");
      const issuer = settings.trusts?.issuer ?? authorization.origin;
      const standard = { resource: `${server.origin}/mcp`, authorization_servers: [issuer] };
      return sendJson(response, 200, { ...standard, ...settings.resource });
    }
    if (seen.path !== "/mcp") return send(response, 404, "none");
    if (seen.method === "GET" && settings.stream) return settings.stream(response);
    const scope = (settings.trusts?.live ?? live).get(
      String(seen.headers.authorization ?? "").replace(/^(?:Bearer|DPoP) /, ""),
    );
    if (scope === undefined || settings.takesNone) {
      const where = `resource_metadata="${server.origin}/.well-known/oauth-protected-resource/mcp"`;
      return send(response, 401, "", { "www-authenticate": `Bearer ${settings.challenge}${where}` });
    }
    if (seen.method === "GET") return void response.writeHead(405).end();
    if (seen.method === "DELETE") return void response.writeHead(200).end();
    const message: Rpc = JSON.parse(seen.body);
    if (settings.guard?.(message, scope, response)) return;
    if (message.method === "initialize") {
      const body = { jsonrpc: "2.0", id: message.id, result: initializeResult };
      return sendJson(response, 200, body, { "mcp-session-id": "s" });
    }
    if (message.id === undefined) return void response.writeHead(202).end();
    sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result: { scope } });
  });

  const metadata = () => ({
    issuer: authorization.origin,
    authorization_endpoint: `${authorization.origin}/authorize`,
    token_endpoint: `${authorization.origin}/token`,
    registration_endpoint: `${authorization.origin}/register`,
    revocation_endpoint: `${authorization.origin}/revoke`,
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
    token_endpoint_auth_methods_supported: ["none"],
    authorization_response_iss_parameter_supported: true,
    ...settings.server,
  });

  authorization.handle(async (request, response) => {
    const seen = await readRequest(request);
    serverRecord.push(seen);
    await settings.answer?.(seen, response);
    if (response.headersSent || response.destroyed) return;
    if (seen.path === "/.well-known/oauth-authorization-server") {
      if (settings.serverBody !== undefined) return send(response, 200, settings.serverBody);
      return settings.server === undefined ? send(response, 404, "none") : sendJson(response, 200, metadata());
    }
    if (seen.path === "/register")
      return sendJson(response, 201, { ...JSON.parse(seen.body), client_id: "registered" });
    if (seen.path === "/revoke") {
      live.delete(new URLSearchParams(seen.body).get("token") ?? "");
      return send(response, 200, "");
    }
    if (seen.path === "/authorize") {
      const code = secret("code");
      codes.set(code, { challenge: seen.query.get("code_challenge") ?? "", scope: seen.query.get("scope") ?? "" });
      const target = new URL(seen.query.get("redirect_uri") ?? "");
      const back = { code, state: seen.query.get("state") ?? "", iss: authorization.origin, ...settings.callback };
      for (const [name, value] of Object.entries(back)) if (value !== undefined) target.searchParams.set(name, value);
      return void response.writeHead(302, { location: target.href }).end();
    }
    if (seen.path !== "/token") return send(response, 404, "none");
    const form = new URLSearchParams(seen.body);
    secrets.push(...["code_verifier", "client_secret", "client_assertion"].flatMap((name) => form.get(name) ?? []));
    const refused = () => sendJson(response, 400, { error: "invalid_grant" });
    let scope = form.get("scope") ?? "";
    if (form.get("grant_type") === "authorization_code") {
      const found = codes.get(form.get("code") ?? "");
      codes.delete(form.get("code") ?? "");
      const proof = createHash("sha256")
        .update(form.get("code_verifier") ?? "")
        .digest("base64url");
      if (found?.challenge !== proof) return refused();
      scope = found.scope;
    } else if (form.get("grant_type") === "refresh_token") {
      const found = refreshes.get(form.get("refresh_token") ?? "");
      refreshes.delete(form.get("refresh_token") ?? "");
      if (found === undefined) return refused();
      scope = found;
    }
    const [access_token, refresh_token] = [secret("access"), secret("refresh")];
    live.set(access_token, scope);
    refreshes.set(refresh_token, scope);
    const body = {
      access_token,
      refresh_token,
      token_type: seen.headers.dpop ? "DPoP" : "Bearer",
      expires_in: settings.expiresIn,
    };
    sendJson(response, 200, scope === "" ? body : { ...body, scope });
  });

  return {
    url: `${server.origin}/mcp`,
    origin: server.origin,
    issuer: authorization.origin,
    settings,
    record,
    serverRecord,
    secrets,
    live,
    calls: (path) => serverRecord.filter((seen) => seen.path === path),
    forgetTokens() {
      live.clear();
      settings.answer = (seen, response) => {
        if (seen.path !== "/token" || !seen.body.includes("refresh_token")) return;
        sendJson(response, 400, { error: "invalid_grant" });
      };
    },
    close: async () => {
      await server.close();
      await authorization.close();
    },
  };
}

export const scriptedBrowser = join(import.meta.dir, "browser.mjs");

/** A bridge with a browser that authorizes by itself, and what that browser was given to open. */
export class AuthorizedBridge extends RawBridge {
  constructor(url: string, flags: string[] = [], env: Record<string, string> = {}, person = new Person()) {
    const own = { CODEMIE_BROWSER: scriptedBrowser, BROWSER_LOG: join(person.root, "opened"), ...env };
    super(person, [url, ...flags], { env: own });
  }

  /** the argument lists the browser was started with */
  opened(): string[][] {
    return this.#noted("opened");
  }

  /** the addresses at the authorization server that the browser was led to */
  authorizing(): URL[] {
    const addresses = this.#noted("led").map(([address]) => new URL(address ?? ""));
    return addresses.filter(({ searchParams }) => searchParams.has("code_challenge"));
  }

  #noted(kind: "opened" | "led"): string[][] {
    const file = join(this.person.root, "opened");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line)).flatMap(([is, ...words]) => (is === kind ? [words] : []));
  }

  /** what the log file holds so far */
  log(): string {
    return readFileSync(join(this.person.codemieHome, "logs/mcp-proxy.log"), "utf8");
  }

  /** Ends the bridge and removes the person's machine. */
  async finish(): Promise<void> {
    await this.end();
    this.person.remove();
  }
}
