import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { Person, Running } from "./codemie.ts";

/** How the provider answers a request; `drop`: it closes the connection instead. */
export type Reply = Response | "drop";

/** An OpenID provider that answers as a test wants, and a CodeMie host that takes its tokens, at one address. */
export interface ScriptedProvider {
  readonly origin: string;
  /** members that replace those of its metadata, or of its device answer */
  metadata: object;
  device: object;
  /** answers a request in place of the provider or host; undefined: they answer as usual */
  answer: (path: string, form: URLSearchParams) => Reply | undefined | Promise<Reply | undefined>;
  /** access tokens that the host accepts; undefined: all */
  accepts: ReadonlySet<string> | undefined;
  /** path of every request */
  readonly asked: string[];
  /** the refresh tokens that were presented, in order */
  readonly presented: string[];
  /** Makes a good token answer; `members` replace its own. */
  tokens(members?: object): Promise<Response>;
  /** Starts a login by device code. */
  logIn(person: Person, ...flags: string[]): Running;
  stop(): Promise<void>;
}

/** The client every login is made with. */
const clientId = "cli";

export async function startScriptedProvider(): Promise<ScriptedProvider> {
  const keys = await generateKeyPair("RS256", { extractable: true });
  const jwk = { ...(await exportJWK(keys.publicKey)), alg: "RS256", kid: "1" };

  const idToken = async () =>
    await new SignJWT({ sub: "ada" })
      .setProtectedHeader({ alg: "RS256", kid: "1" })
      .setIssuer(it.origin)
      .setAudience(clientId)
      .setIssuedAt()
      .setExpirationTime("1m")
      .sign(keys.privateKey);

  const usual = async (path: string, request: Request): Promise<Response> => {
    switch (path) {
      case "/.well-known/openid-configuration":
        return Response.json({
          issuer: it.origin,
          authorization_endpoint: `${it.origin}/auth`,
          token_endpoint: `${it.origin}/token`,
          device_authorization_endpoint: `${it.origin}/device`,
          jwks_uri: `${it.origin}/jwks`,
          ...it.metadata,
        });
      case "/device":
        return Response.json({
          device_code: "d",
          user_code: "ABCD",
          verification_uri: `${it.origin}/enter`,
          expires_in: 600,
          interval: 1,
          ...it.device,
        });
      case "/token":
        return await it.tokens();
      case "/jwks":
        return Response.json({ keys: [jwk] });
      case "/code-assistant-api/v1/user": {
        const token = request.headers.get("authorization")?.replace(/^Bearer /, "") ?? "";
        if (it.accepts && !it.accepts.has(token)) return Response.json({ detail: "no" }, { status: 401 });
        return Response.json({ user_id: "ada", name: "Ada", email: "ada@example.com" });
      }
      default:
        return Response.json({ detail: "not found" }, { status: 404 });
    }
  };

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request): Promise<Response> {
      const path = new URL(request.url).pathname;
      const form = new URLSearchParams(request.method === "POST" ? await request.text() : "");
      it.asked.push(path);
      const refreshToken = form.get("refresh_token");
      if (refreshToken !== null) it.presented.push(refreshToken);
      const reply = (await it.answer(path, form)) ?? (await usual(path, request));
      if (reply !== "drop") return reply;
      return new Response(new ReadableStream({ start: (stream) => stream.error(new Error("dropped")) }));
    },
    error: () => new Response("", { status: 500 }),
  });

  const it: ScriptedProvider = {
    origin: `http://127.0.0.1:${server.port}`,
    metadata: {},
    device: {},
    answer: () => undefined,
    accepts: undefined,
    asked: [],
    presented: [],
    async tokens(members = {}) {
      const body = { access_token: "at", token_type: "Bearer", refresh_token: "r1", id_token: await idToken() };
      return Response.json({ ...body, expires_in: 3600, ...members });
    },
    logIn(person, ...flags) {
      const own = ["--url", it.origin, "--issuer", it.origin, "--client-id", clientId, "--device"];
      return person.start(["profile", "login", ...own, "--timeout", "60", ...flags]);
    },
    stop: () => server.stop(true),
  };
  return it;
}

/** An answer with an OAuth error code (RFC 6749 section 5.2). */
export const refusing = (error: string, status = 400) => Response.json({ error }, { status });
