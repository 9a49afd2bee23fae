import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPair, SignJWT } from "jose";
import { certificateFor } from "./corporate.ts";

/** The two forms of GitHub's `sub`: the newer one holds the numbers of owner and repository (since July 2026). */
export const subjects = [
  "repo:octo-org/octo-repo:ref:refs/heads/main",
  "repo:octo-org@123456/octo-repo@456789:ref:refs/heads/main",
] as const;

/**
 * @returns what a job's step printed, without our lines that GitHub's runner swallows (secrets to hide, where to obey nothing), and
 *   the one that says what is waited for, which depends on the machine
 */
export const unmasked = (err: string): string =>
  err
    .replaceAll(/^\n?::(?:add-mask::.*|stop-commands::codemie-.*|codemie-[0-9a-f]{32}::)\n/gm, "")
    .replace(/^waiting for http\S+…\n/m, "");

/** A job of a CI system: the endpoint that issues its identity tokens (GitHub Actions), and the issuer's key. */
export interface Ci {
  /** the server, as `GITHUB_SERVER_URL` names it */
  readonly url: string;
  readonly issuer: string;
  readonly publicKey: CryptoKey;
  /** PEM */
  readonly certificate: string;
  /** what opens the endpoint */
  readonly requestToken: string;
  /** every request to the endpoint: audience and `Authorization` */
  readonly requests: { readonly audience: string | null; readonly authorization: string | null }[];
  /** every token that it issued */
  readonly issued: string[];
  /** claims of the tokens that it issues, over the usual ones; undefined leaves a claim out */
  claims: Record<string, unknown>;
  /** answers in its place */
  answer: (() => Response | Promise<Response>) | undefined;
  /** Makes a token; a claim that is undefined is left out. */
  mint(claims?: Record<string, unknown>): Promise<string>;
  /** the variables of a job that may ask, with the certificate in a file of that folder */
  envIn(folder: string): Record<string, string>;
  reset(): void;
  close(): Promise<void>;
}

/** @param name host name in the certificate */
export async function startCi(name = "localhost"): Promise<Ci> {
  const pair = await certificateFor(name);
  const { privateKey, publicKey } = await generateKeyPair("RS256", { extractable: true });
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    tls: { key: pair.private, cert: pair.cert },
    async fetch(request) {
      const url = new URL(request.url);
      if (!url.pathname.startsWith("/_services/")) return new Response("not here", { status: 404 });
      const audience = url.searchParams.get("audience");
      ci.requests.push({ audience, authorization: request.headers.get("authorization") });
      if (ci.answer) return await ci.answer();
      if (request.headers.get("authorization") !== `bearer ${ci.requestToken}`)
        return new Response("", { status: 401 });
      const value = await ci.mint({ aud: audience, ...ci.claims });
      ci.issued.push(value);
      return Response.json({ count: 1, value });
    },
  });
  const url = `https://localhost:${server.port}`;
  const issuer = `${url}/_services/token`;
  const ci: Ci = {
    url,
    issuer,
    publicKey,
    certificate: pair.cert,
    requestToken: `request-${crypto.randomUUID()}`,
    requests: [],
    issued: [],
    claims: {},
    answer: undefined,
    async mint(claims = {}) {
      const now = Math.floor(Date.now() / 1000);
      const usual = { iss: issuer, sub: subjects[0], jti: crypto.randomUUID(), iat: now, exp: now + 300 };
      return await new SignJWT({ ...usual, ...claims })
        .setProtectedHeader({ alg: "RS256", kid: "ci" })
        .sign(privateKey);
    },
    envIn(folder) {
      const file = join(folder, "ci.pem");
      writeFileSync(file, pair.cert);
      return {
        CI: "true",
        GITHUB_ACTIONS: "true",
        GITHUB_SERVER_URL: url,
        ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/_services/pipelines/idtoken?api-version=2.0`,
        ACTIONS_ID_TOKEN_REQUEST_TOKEN: ci.requestToken,
        CODEMIE_CA_CERTS: file,
      };
    },
    reset() {
      ci.requests.length = ci.issued.length = 0;
      ci.claims = {};
      ci.answer = undefined;
    },
    close: () => server.stop(true),
  };
  return ci;
}
