import Provider from "oidc-provider";
// Quiets the provider's warnings of its quick-start pages.
import "../sandbox/identity.ts";
import { ProofReader } from "../proofs.ts";
import { listen, readRequest, sendJson } from "../sandbox/http.ts";
import type { Rpc } from "./bridge.ts";
import { initializeResult } from "./scripted.ts";

/** An MCP server behind the real `oidc-provider`: registration, consent pages, rotation, revocation. */
export interface BehindOidc {
  readonly url: string;
  readonly issuer: string;
  /** method, path and status of every request to the provider */
  readonly requests: string[];
  /** every token answer of the provider */
  readonly answers: Record<string, string>[];
  /** every proof that the MCP server accepted, decoded */
  readonly proofs: Record<string, unknown>[];
  close(): Promise<void>;
}

/**
 * @param seconds lifetime of the access tokens
 * @param bound true: the tokens are bound to a key (DPoP); both servers demand nonces, which change with each request
 */
export async function startBehindOidc(seconds: () => number, bound = false): Promise<BehindOidc> {
  const [server, authorization] = [await listen(), await listen()];
  const url = `${server.origin}/mcp`;
  const provider = new Provider(authorization.origin, {
    features: {
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      revocation: { enabled: true },
      dPoP: { enabled: bound, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => bound },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({ scope: "tools", accessTokenFormat: "opaque", accessTokenTTL: seconds() }),
        useGrantedResource: () => true,
      },
    },
    pkce: { required: () => true },
    scopes: ["openid", "offline_access", "tools"],
    rotateRefreshToken: true,
    cookies: { keys: ["sandbox-cookie-key"] },
    findAccount: (_ctx: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    ttl: { AccessToken: seconds, Session: 3600, Grant: 86_400, Interaction: 600, RefreshToken: 86_400 },
  });
  const requests: string[] = [];
  const answers: BehindOidc["answers"] = [];
  const reader = new ProofReader();
  // biome-ignore lint/suspicious/noExplicitAny: the library's own context, which has no types
  provider.on("grant.success", (context: any) => answers.push(context.body));
  const answer = provider.callback();
  authorization.handle((request, response) => {
    response.on("finish", () =>
      requests.push(`${request.method} ${request.url?.split("?")[0]} ${response.statusCode}`),
    );
    answer(request, response);
  });

  server.handle(async (request, response) => {
    const seen = await readRequest(request);
    if (seen.path === "/.well-known/oauth-protected-resource/mcp") {
      const document = { resource: url, authorization_servers: [authorization.origin], scopes_supported: ["tools"] };
      return sendJson(response, 200, { ...document, ...(bound ? { dpop_bound_access_tokens_required: true } : {}) });
    }
    const [scheme, token = ""] = String(seen.headers.authorization ?? "").split(" ");
    const found = token ? await provider.AccessToken.find(token) : undefined;
    if (!found?.isValid || found.aud !== url || scheme !== (found.jkt === undefined ? "Bearer" : "DPoP")) {
      const where = `resource_metadata="${server.origin}/.well-known/oauth-protected-resource/mcp"`;
      return void response.writeHead(401, { "www-authenticate": `${bound ? "DPoP" : "Bearer"} ${where}` }).end();
    }
    if (found.jkt !== undefined) {
      const fault = await reader.faultOf(seen, url, token, found.jkt);
      response.setHeader("dpop-nonce", reader.nextNonce());
      if (fault) return void response.writeHead(401, { "www-authenticate": `DPoP error="${fault}"` }).end();
    }
    if (seen.method !== "POST") return void response.writeHead(seen.method === "DELETE" ? 200 : 405).end();
    const message: Rpc = JSON.parse(seen.body);
    if (message.id === undefined) return void response.writeHead(202).end();
    const result = message.method === "initialize" ? initializeResult : { scope: found.scope, who: found.accountId };
    sendJson(response, 200, { jsonrpc: "2.0", id: message.id, result });
  });
  return {
    url,
    issuer: authorization.origin,
    requests,
    answers,
    proofs: reader.accepted,
    close: async () => {
      await server.close();
      await authorization.close();
    },
  };
}
