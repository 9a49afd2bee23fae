import { createHash, createHmac, randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import { generateKeyPair, jwtVerify, SignJWT } from "jose";
import { redirect, type Seen, send, sendJson } from "./http.ts";
import type { Identity } from "./identity.ts";

/** Who a session belongs to and what the front holds for it. */
export interface Session {
  readonly id: string;
  readonly claims: { sub: string; email: string; name: string };
  refreshToken: string;
  /** counts the renewals; cookies of an older generation hold a refresh token that is spent */
  generation: number;
  /** ms since the epoch; afterwards the backend refuses what the front forwards */
  innerExpiresAt: number;
  revoked: boolean;
}

export interface FrontSettings {
  /** parts the session cookie is split into; 1 leaves it whole */
  chunks: number;
  /** lifetime of the cookie, ms */
  expireMs: number;
  /** age at which a request renews the session, ms; 0 is off, as oauth2-proxy's default */
  refreshMs: number;
  /** lifetime of the token inside, seconds */
  innerSeconds: number;
  /** true: a refresh token works once, and its second use ends the session */
  rotates: boolean;
  /** false: nobody answers `/oauth2/auth` from outside */
  answersCheck: boolean;
  /** true: `/oauth2/auth` takes the question and never answers */
  hangsCheck: boolean;
  /** true: as nginx does, only the first `Set-Cookie` of the front's check is passed on with an answer of the backend */
  firstCookieOnly: boolean;
  /** `ingress`: nginx asks the front and redirects everybody without a session (family A); `direct`: no front (family D) */
  mode: "ingress" | "direct";
}

const cookieName = "_oauth2_proxy";
/** a part of a split cookie is this long, less its attributes */
const chunkLength = 3_900;

/** Plays oauth2-proxy in front of the host: login at the identity provider, signed and split session cookies. */
export class Front {
  readonly #secret = randomBytes(32);
  /** made with the first token: an RSA key takes more of the processor than all else a sandbox starts with */
  #tokenKey: ReturnType<typeof generateKeyPair> | undefined;
  readonly #sessions = new Map<string, Session>();
  readonly #pending = new Map<string, { rd: string; verifier: string }>();
  readonly #origin: string;
  readonly #settings: FrontSettings;
  #identity: Identity | undefined;
  /** issuers whose tokens it takes besides its provider's (oauth2-proxy's `--extra-jwt-issuers`) */
  readonly #trusted: { readonly issuer: string; readonly audience: string; readonly key: CryptoKey }[] = [];
  /** renewals done so far */
  refreshes = 0;

  constructor(origin: string, settings: FrontSettings) {
    this.#origin = origin;
    this.#settings = settings;
  }

  connect(identity: Identity): void {
    this.#identity = identity;
  }

  /** Takes tokens of this issuer for this audience from now on. */
  trust(issuer: string, audience: string, key: CryptoKey): void {
    this.#trusted.push({ issuer, audience, key });
  }

  get redirectUri(): string {
    return `${this.#origin}/oauth2/callback`;
  }

  /** Makes a session as a finished login would, without the pages. */
  issue(name: string, ageMs = 0): { cookie: string; session: Session } {
    const session: Session = {
      id: randomBytes(12).toString("base64url"),
      claims: { sub: name, email: `${name}@example.com`, name: name.charAt(0).toUpperCase() + name.slice(1) },
      refreshToken: "",
      generation: 0,
      innerExpiresAt: Date.now() + this.#settings.innerSeconds * 1000,
      revoked: false,
    };
    this.#sessions.set(session.id, session);
    const pairs = this.#cookiesFor(session, Date.now() - ageMs).map((cookie) => cookie.slice(0, cookie.indexOf(";")));
    return { cookie: [...pairs, `${cookieName}_k3J9x2Qa_csrf=abandoned`].join("; "), session };
  }

  /** Ends every session at the front. */
  revokeAll(): void {
    for (const session of this.#sessions.values()) session.revoked = true;
  }

  /** Takes {@link revokeAll} back. */
  acceptAll(): void {
    for (const session of this.#sessions.values()) session.revoked = false;
  }

  /** Lets the token inside every session run out, while the cookies stay good. */
  expireInner(): void {
    for (const session of this.#sessions.values()) session.innerExpiresAt = 0;
  }

  /** Answers `/oauth2/*`; false when the path is not the front's. */
  async handle(seen: Seen, response: ServerResponse): Promise<boolean> {
    switch (seen.path) {
      case "/oauth2/start":
        this.#start(seen, response);
        return true;
      case "/oauth2/callback":
        await this.#callback(seen, response);
        return true;
      case "/oauth2/auth": {
        if (this.#settings.hangsCheck) return true;
        if (!this.#settings.answersCheck) return false;
        const found = await this.authenticate(seen);
        if (!found) send(response, 401, "Unauthorized\n");
        else send(response, 202, "", { "gap-auth": found.session.claims.email, "set-cookie": found.setCookies });
        return true;
      }
      case "/oauth2/userinfo": {
        const found = await this.authenticate(seen);
        if (!found) send(response, 401, "Unauthorized\n");
        else sendJson(response, 200, { user: found.session.claims.sub, email: found.session.claims.email });
        return true;
      }
      case "/oauth2/sign_out": {
        const session = this.#sessionOf(seen)?.session;
        if (session) session.revoked = true;
        redirect(response, seen.query.get("rd") ?? "/", { "set-cookie": this.#deletions(seen) });
        return true;
      }
      default:
        return false;
    }
  }

  /** Sends a request without a session to the login, as nginx does, whatever it accepts. */
  sendToLogin(seen: Seen, response: ServerResponse): void {
    redirect(response, `${this.#origin}/oauth2/start?rd=${encodeURIComponent(seen.target)}`);
  }

  /** Makes a bearer token that the front accepts, as a CI system gets one from the identity provider. */
  async mintToken(name: string, lifetimeSeconds = 3600, claims: Record<string, unknown> = {}): Promise<string> {
    this.#tokenKey ??= generateKeyPair("RS256");
    const { privateKey } = await this.#tokenKey;
    const now = Math.floor(Date.now() / 1000);
    // A claim that is given as undefined is left out.
    return await new SignJWT({ email: `${name}@example.com`, name, iat: now, exp: now + lifetimeSeconds, ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "1" })
      .setSubject(name)
      .setAudience("codemie")
      .sign(privateKey);
  }

  /** A valid token is a session; what is not one is passed over, as the front does unless told otherwise (4.2). */
  async #bearerOf(seen: Seen): Promise<Session | undefined> {
    const token = /^Bearer (\S+)$/.exec(String(seen.headers.authorization ?? ""))?.[1];
    if (!token) return undefined;
    const key = await this.#tokenKey;
    const verified = key && (await jwtVerify(token, key.publicKey, { audience: "codemie" }).catch(() => undefined));
    const claimed = verified?.payload ?? (await this.#jobOf(token));
    if (!claimed) return await this.#personOf(token);
    const { sub = "", email = "", name = sub } = claimed as { sub?: string; email?: string; name?: string };
    const innerExpiresAt = Date.now() + 60_000;
    return { id: sub, claims: { sub, email, name }, refreshToken: "", generation: 0, innerExpiresAt, revoked: false };
  }

  async #jobOf(token: string) {
    for (const { issuer, audience, key } of this.#trusted) {
      const verified = await jwtVerify(token, key, { issuer, audience }).catch(() => undefined);
      if (verified) return verified.payload;
    }
    return undefined;
  }

  /** A token of the provider itself is looked up there, as the backend does with Keycloak's (4.1). */
  async #personOf(token: string): Promise<Session | undefined> {
    const answer = await fetch(`${this.#identity?.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
    if (!answer.ok) return undefined;
    const claims = (await answer.json()) as Session["claims"];
    const innerExpiresAt = Date.now() + 60_000;
    return { id: claims.sub, claims, refreshToken: "", generation: 0, innerExpiresAt, revoked: false };
  }

  /** The session of a request, renewed when it is old enough; the new cookies go on this answer. */
  async authenticate(seen: Seen): Promise<{ session: Session; setCookies: string[] } | undefined> {
    const bearer = await this.#bearerOf(seen);
    if (bearer) return { session: bearer, setCookies: [] };
    const found = this.#sessionOf(seen);
    if (!found) return undefined;
    const { session, issuedAt, generation } = found;
    const { refreshMs } = this.#settings;
    if (refreshMs > 0 && Date.now() - issuedAt > refreshMs) {
      if (generation !== session.generation && this.#settings.rotates) session.revoked = true;
      if (session.revoked || !(await this.#refresh(session))) return undefined;
      return { session, setCookies: this.#cookiesFor(session) };
    }
    return { session, setCookies: [] };
  }

  #start(seen: Seen, response: ServerResponse): void {
    if (!this.#identity) throw new Error("the sandbox has no identity provider yet");
    const nonce = randomBytes(16).toString("base64url");
    const verifier = randomBytes(32).toString("base64url");
    this.#pending.set(nonce, { rd: safeTarget(seen.query.get("rd")), verifier });
    const query = new URLSearchParams({
      client_id: this.#identity.clientId,
      redirect_uri: this.redirectUri,
      response_type: "code",
      scope: "openid email profile",
      state: nonce,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    });
    redirect(response, `${this.#identity.issuer}/auth?${query}`, {
      "set-cookie": [
        `${cookieName}_csrf=${nonce}; Path=/; HttpOnly; Max-Age=900`,
        // what a login that was begun in another tab and never finished leaves behind
        `${cookieName}_k3J9x2Qa_csrf=abandoned; Path=/; HttpOnly; Max-Age=900`,
      ],
    });
  }

  async #callback(seen: Seen, response: ServerResponse): Promise<void> {
    const state = seen.query.get("state") ?? "";
    const pending = this.#pending.get(state);
    if (!pending || cookiesOf(seen).get(`${cookieName}_csrf`) !== state) {
      send(response, 403, "<h1>403 Forbidden</h1>", { "content-type": "text/html" });
      return;
    }
    if (seen.query.get("error")) {
      const text = `<h1>403 Forbidden</h1><p>Login Failed: ${seen.query.get("error")}</p>`;
      send(response, 403, text, { "content-type": "text/html" });
      return;
    }
    this.#pending.delete(state);
    const tokens = await this.#token({
      grant_type: "authorization_code",
      code: seen.query.get("code") ?? "",
      redirect_uri: this.redirectUri,
      code_verifier: pending.verifier,
    });
    if (!tokens) {
      send(response, 500, "<h1>500 Internal Server Error</h1>", { "content-type": "text/html" });
      return;
    }
    const claims = JSON.parse(Buffer.from(tokens.id_token.split(".")[1] ?? "", "base64url").toString("utf8"));
    const session: Session = {
      id: randomBytes(12).toString("base64url"),
      claims: { sub: claims.sub, email: claims.email, name: claims.name },
      refreshToken: tokens.refresh_token,
      generation: 0,
      innerExpiresAt: Date.now() + tokens.expires_in * 1000,
      revoked: false,
    };
    this.#sessions.set(session.id, session);
    redirect(response, pending.rd, {
      "set-cookie": [`${cookieName}_csrf=; Path=/; Max-Age=0`, ...this.#cookiesFor(session)],
    });
  }

  /** Spends the refresh token, at the identity provider where the login was a real one. */
  async #refresh(session: Session): Promise<boolean> {
    this.refreshes++;
    session.generation++;
    if (!session.refreshToken) return true;
    const tokens = await this.#token({ grant_type: "refresh_token", refresh_token: session.refreshToken });
    if (!tokens) {
      session.revoked = true;
      return false;
    }
    session.refreshToken = tokens.refresh_token;
    session.innerExpiresAt = Date.now() + tokens.expires_in * 1000;
    return true;
  }

  async #token(form: Record<string, string>) {
    if (!this.#identity) return undefined;
    const { clientId, clientSecret, issuer } = this.#identity;
    const answer = await fetch(`${issuer}/token`, {
      method: "POST",
      headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
      body: new URLSearchParams(form),
    });
    if (!answer.ok) return undefined;
    return (await answer.json()) as { id_token: string; refresh_token: string; expires_in: number };
  }

  /** `data|seconds|signature`, cut into parts when it is long. */
  #cookiesFor(session: Session, issuedAt = Date.now()): string[] {
    const { chunks, expireMs } = this.#settings;
    const seconds = Math.floor(issuedAt / 1000);
    const bytes = chunks <= 1 ? 600 : Math.floor((chunkLength * (chunks - 0.5) * 3) / 4);
    const data = `${session.id}.${session.generation}.${randomBytes(bytes).toString("base64url")}`;
    const value = `${data}|${seconds}|${this.#sign(`${data}|${seconds}`)}`;
    const attributes = `; Path=/; HttpOnly; Max-Age=${Math.floor(expireMs / 1000)}`;
    if (value.length <= chunkLength) return [`${cookieName}=${value}${attributes}`];
    const parts: string[] = [];
    for (let at = 0; at < value.length; at += chunkLength) {
      parts.push(`${cookieName}_${parts.length}=${value.slice(at, at + chunkLength)}${attributes}`);
    }
    return parts;
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#secret).update(text).digest("base64url");
  }

  /** An unsplit cookie wins; only without one are the parts joined, up to the first gap. */
  #sessionOf(seen: Seen): { session: Session; issuedAt: number; generation: number } | undefined {
    const cookies = cookiesOf(seen);
    let value = cookies.get(cookieName) ?? "";
    if (!value) for (let i = 0; cookies.has(`${cookieName}_${i}`); i++) value += cookies.get(`${cookieName}_${i}`);
    const [data = "", seconds = "", signature] = value.split("|");
    if (!data || signature !== this.#sign(`${data}|${seconds}`)) return undefined;
    const issuedAt = Number(seconds) * 1000;
    const [id = "", generation] = data.split(".");
    const session = this.#sessions.get(id);
    if (!session || session.revoked || Date.now() - issuedAt > this.#settings.expireMs) return undefined;
    return { session, issuedAt, generation: Number(generation) };
  }

  #deletions(seen: Seen): string[] {
    const own = [...cookiesOf(seen).keys()].filter((name) => name.startsWith(cookieName));
    return own.map((name) => `${name}=; Path=/; Max-Age=0`);
  }
}

export function cookiesOf(seen: Seen): Map<string, string> {
  const header = seen.headers.cookie;
  const text = Array.isArray(header) ? header.join("; ") : (header ?? "");
  return new Map(
    text
      .split(/; */)
      .filter(Boolean)
      .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
  );
}

function safeTarget(rd: string | null): string {
  return rd?.startsWith("/") && !rd.startsWith("//") ? rd : "/";
}
