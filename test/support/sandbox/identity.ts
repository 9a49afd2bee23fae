import { listen } from "./http.ts";

// It warns of its quick-start pages and of this runtime, which is what a sandbox wants.
process.noDeprecation = true;
for (const level of ["info", "warn"] as const) {
  const say = console[level];
  console[level] = (...words: unknown[]) => {
    if (!String(words[0]).includes("oidc-provider")) say(...words);
  };
}

/** A client of the provider, as its own configuration wants it. */
export type ProviderClient = Readonly<Record<string, unknown>>;

/** Redirects of a program on a person's machine. */
export const loopbackRedirects = ["127.0.0.1", "localhost", "[::1]"].map((name) => `http://${name}/callback`);

/** The public client a person's own program logs in with. */
export const cliClientId = "codemie-cli";

/** The real OpenID provider behind the sandbox's cookie front, with its own login and consent pages. */
export interface Identity {
  readonly issuer: string;
  /** method and path of every request it received */
  readonly requests: string[];
  readonly clientId: string;
  readonly clientSecret: string;
  close(): Promise<void>;
}

/** A client as the provider's settings see it. */
interface RegisteredClient {
  readonly clientId: string;
  grantTypeAllowed(type: string): boolean;
}

/**
 * Starts `oidc-provider`, which is loaded with the first request: most tests need only its address. Its login page takes any
 * name; the name is the person.
 *
 * @param redirectUri where the front takes the authorization code
 * @param accessTokenSeconds lifetime of the access tokens
 * @param moreClients clients besides the front's and the public one
 */
export async function startIdentity(
  redirectUri: string,
  accessTokenSeconds: () => number,
  moreClients: readonly ProviderClient[] = [],
): Promise<Identity> {
  const server = await listen();
  const clientId = "codemie-front";
  const clientSecret = "front-secret-0123456789abcdef0123456789abcdef";
  const configuration = {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code", "refresh_token"],
        response_types: ["code"],
      },
      {
        client_id: cliClientId,
        application_type: "native",
        token_endpoint_auth_method: "none",
        redirect_uris: loopbackRedirects,
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
      },
      ...moreClients,
    ],
    features: { deviceFlow: { enabled: true }, revocation: { enabled: true } },
    pkce: { required: () => true },
    claims: { openid: ["sub"], email: ["email"], profile: ["name"] },
    // The provider's own default, but for the front: companies set theirs up so that it can renew sessions.
    issueRefreshToken: (_ctx: unknown, client: RegisteredClient, { scopes }: { scopes: ReadonlySet<string> }) =>
      client.grantTypeAllowed("refresh_token") && (client.clientId === clientId || scopes.has("offline_access")),
    cookies: { keys: ["sandbox-cookie-key"] },
    conformIdTokenClaims: false,
    rotateRefreshToken: true,
    ttl: {
      AccessToken: accessTokenSeconds,
      Session: 3600,
      Grant: 86_400,
      Interaction: 600,
      IdToken: 3600,
      RefreshToken: 86_400,
    },
    findAccount: (_ctx: unknown, id: string) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@example.com`, name: displayName(id) }),
    }),
  };
  const load = async () => {
    const { default: Provider } = await import("oidc-provider");
    return new Provider(server.origin, configuration).callback();
  };
  let loaded: ReturnType<typeof load> | undefined;
  const requests: string[] = [];
  server.handle(async (request, response) => {
    requests.push(`${request.method} ${request.url?.split("?")[0]}`);
    loaded ??= load();
    (await loaded)(request, response);
  });
  return { issuer: server.origin, requests, clientId, clientSecret, close: server.close };
}

/** `ada` is shown as `Ada`. */
function displayName(id: string): string {
  return id.charAt(0).toUpperCase() + id.slice(1);
}
