import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";
import type { Ci } from "./ci.ts";
import { listen, readRequest } from "./sandbox/http.ts";

const tokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange";

/** Clients of {@link startJobProvider}. */
export const jobClients = {
  /** authenticates with a token of the CI system as its assertion; that names it as issuer and subject (RFC 7523 section 3) */
  assertion: "ci-assertion",
  /** public: exchanges a token of the CI system */
  exchange: "ci-exchange",
  /** may do neither */
  neither: "ci-neither",
} as const;

/** A real OpenID provider that lets jobs in by their identity, and the resource server that its access tokens are for. */
export interface JobProvider {
  readonly issuer: string;
  readonly publicKey: CryptoKey;
  /** every form that its token endpoint received */
  readonly forms: URLSearchParams[];
  /** lifetime of exchanged tokens as its answers name it, seconds; they last for ten minutes */
  saidSeconds: number;
  close(): Promise<void>;
}

/**
 * @param ci whose tokens it takes
 * @param audience of the resource server
 */
export async function startJobProvider(ci: Ci, audience: string): Promise<JobProvider> {
  process.noDeprecation = true;
  const server = await listen();
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const jwk = async (key: CryptoKey, kid: string) => ({ ...(await exportJWK(key)), kid, alg: "RS256", use: "sig" });
  const ciKeys = { keys: [await jwk(ci.publicKey, "ci")] };
  const { default: Provider } = await import("oidc-provider");
  const common = { redirect_uris: [], response_types: [] };
  const provider = new Provider(server.origin, {
    jwks: { keys: [await jwk(privateKey, "provider")] },
    cookies: { keys: ["job-provider-cookie-key"] },
    scopes: ["models"],
    clients: [
      {
        ...common,
        client_id: jobClients.assertion,
        token_endpoint_auth_method: "private_key_jwt",
        jwks: ciKeys,
        grant_types: ["client_credentials"],
      },
      { ...common, client_id: jobClients.exchange, token_endpoint_auth_method: "none", grant_types: [tokenExchange] },
      { ...common, client_id: jobClients.neither, token_endpoint_auth_method: "none", grant_types: [] },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: "models",
          audience,
          accessTokenTTL: 600,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  });
  const keys = createLocalJWKSet(ciKeys as Parameters<typeof createLocalJWKSet>[0]);
  provider.registerGrantType(
    tokenExchange,
    async (context) => {
      const { params, client, provider: own } = context.oidc;
      const verified = await jwtVerify(String(params.subject_token), keys, {
        issuer: ci.issuer,
        audience: server.origin,
      }).catch(() => undefined);
      if (!verified || params.subject_token_type !== "urn:ietf:params:oauth:token-type:jwt") {
        context.status = 400;
        context.body = { error: "invalid_request", error_description: `not a token of ours: ${params.subject_token}` };
        return;
      }
      const token = new own.AccessToken({ client, accountId: verified.payload.sub, gty: "token-exchange" });
      token.resourceServer = new own.ResourceServer(audience, {
        scope: "models",
        audience,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "RS256" } },
      });
      token.scope = "models";
      context.body = {
        access_token: await token.save(),
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        token_type: "Bearer",
        expires_in: result.saidSeconds,
      };
    },
    ["subject_token", "subject_token_type", "requested_token_type", "scope"],
  );
  const callback = provider.callback();
  const result: JobProvider = { issuer: server.origin, publicKey, forms: [], saidSeconds: 600, close: server.close };
  server.handle(async (request, response) => {
    if (request.method === "POST") {
      const seen = await readRequest(request);
      result.forms.push(new URLSearchParams(seen.body));
      Object.assign(request, { body: seen.body });
    }
    callback(request, response);
  });
  return result;
}
