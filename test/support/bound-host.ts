import Provider from "oidc-provider";
import { ProofReader } from "./proofs.ts";
import { answerApi, usualBackend } from "./sandbox/backend.ts";
import { listen, readRequest, type Seen } from "./sandbox/http.ts";
// This also quiets the provider's warnings of its quick-start pages.
import { cliClientId, loopbackRedirects } from "./sandbox/identity.ts";

/** A CodeMie host that knows bound tokens, and the real `oidc-provider` that issues them. */
export interface BoundHost {
  readonly origin: string;
  readonly issuer: string;
  /** `strict`: takes bound tokens with their proof only; `bearer`: knows no proofs, and takes any token as a bearer token */
  kind: "strict" | "bearer";
  /** every request to the host */
  readonly record: Seen[];
  /** path of every request to the provider */
  readonly asked: string[];
  /** every token answer of the provider */
  readonly answers: Record<string, string>[];
  /** every proof that the host accepted, decoded */
  readonly proofs: Record<string, unknown>[];
  close(): Promise<void>;
}

/** @param binds false: the provider has no DPoP */
export async function startBoundHost(binds = true): Promise<BoundHost> {
  const [host, authorization] = [await listen(), await listen()];
  const provider = new Provider(authorization.origin, {
    clients: [
      {
        client_id: cliClientId,
        application_type: "native",
        token_endpoint_auth_method: "none",
        redirect_uris: loopbackRedirects,
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
      },
    ],
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      dPoP: { enabled: binds, nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true },
    },
    pkce: { required: () => true },
    claims: { openid: ["sub"] },
    rotateRefreshToken: true,
    cookies: { keys: ["sandbox-cookie-key"] },
    findAccount: (_ctx: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
    ttl: { AccessToken: 3600, Session: 3600, Grant: 86_400, Interaction: 600, IdToken: 3600, RefreshToken: 86_400 },
  });
  const [record, asked, answers]: [Seen[], string[], BoundHost["answers"]] = [[], [], []];
  // biome-ignore lint/suspicious/noExplicitAny: the library's own context, which has no types
  provider.on("grant.success", (context: any) => answers.push(context.body));
  const callback = provider.callback();
  authorization.handle((request, response) => {
    asked.push(request.url?.split("?")[0] ?? "");
    callback(request, response);
  });
  const reader = new ProofReader();
  host.handle(async (request, response) => {
    const seen = await readRequest(request);
    record.push(seen);
    const [scheme, token = ""] = String(seen.headers.authorization ?? "").split(" ");
    const found = token ? await provider.AccessToken.find(token) : undefined;
    const isProved = it.kind === "strict" && found?.jkt !== undefined;
    if (!found?.isValid || scheme !== (isProved ? "DPoP" : "Bearer")) {
      return void response.writeHead(401, { "www-authenticate": it.kind === "strict" ? "DPoP" : "Bearer" }).end();
    }
    if (isProved) {
      const fault = await reader.faultOf(seen, host.origin + seen.path, token, found.jkt ?? "");
      response.setHeader("dpop-nonce", reader.nextNonce());
      if (fault) return void response.writeHead(401, { "www-authenticate": `DPoP error="${fault}"` }).end();
    }
    const sub = found.accountId;
    const claims = { sub, email: `${sub}@example.com`, name: sub };
    const innerExpiresAt = Date.now() + 60_000;
    const session = { id: sub, claims, refreshToken: "", generation: 0, innerExpiresAt, revoked: false };
    await answerApi(seen, response, session, usualBackend, []);
  });
  const it: BoundHost = {
    origin: host.origin,
    issuer: authorization.origin,
    kind: "strict",
    record,
    asked,
    answers,
    proofs: reader.accepted,
    close: async () => {
      await host.close();
      await authorization.close();
    },
  };
  return it;
}
