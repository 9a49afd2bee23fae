import { decodeJwt } from "jose";
import * as z from "zod/mini";
import type { Env } from "../core/env.ts";
import { CodemieError, systemCode } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { shortened } from "../core/text.ts";
import { backoffMs, pause } from "../core/time.ts";
import { isPassing } from "../oauth/answer.ts";
import { OAuthHttp } from "../oauth/http.ts";
import { readPlain, whyUnreadable } from "../platform/foreign-files.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type BearerToken, readBearerToken } from "./bearer-token.ts";
import { authFailure } from "./failures.ts";
import { longestTokenFile } from "./given-token.ts";
import { type IdentitySource, identityPlace } from "./identity-source.ts";

/** An identity token for the right audience that has not ended, and whom it names. */
export interface IdentityToken {
  readonly bearer: BearerToken;
  readonly issuer: string;
  /** GitHub has two forms of it: `repo:o/r:ref:…` and, since July 2026, `repo:o@1/r@2:ref:…` */
  readonly subject: string;
}

/** How long GitHub's endpoint may take to answer, ms. */
const githubMs = 10_000;
/** How often to ask GitHub's endpoint when it says that it cannot answer now. */
const mostTries = 3;

/**
 * Gets an identity token from its source, and checks all that can be checked without a key.
 *
 * @param audience whom it must be for
 * @throws `auth_needed` when the source has none; `auth_refused` for one of another audience, without an end, or that is
 *   no JWT, and for an address that is not GitHub's; `auth_expired`; `usage`; `server_error`, `unreachable`, `tls`
 */
export async function readIdentityToken(
  source: IdentitySource,
  audience: string,
  runtime: Runtime,
): Promise<IdentityToken> {
  const text = await textOf(source, audience, runtime);
  try {
    const bearer = readBearerToken(text, runtime.now());
    const { aud, iss, sub } = decodeJwt(bearer.token.reveal());
    const named = [aud].flat().filter((one) => typeof one === "string");
    if (!named.includes(audience)) throw authFailure.wrongAudience(named, audience);
    if (bearer.expiresAt === undefined) throw authFailure.badToken("it does not say when it ends (exp)");
    return { bearer, issuer: shortened(String(iss ?? "")), subject: shortened(String(sub ?? "")) };
  } catch (error) {
    throw error instanceof CodemieError ? authFailure.ofIdentity(identityPlace(source), error) : error;
  }
}

async function textOf(source: IdentitySource, audience: string, runtime: Runtime): Promise<string> {
  switch (source.kind) {
    case "github":
      return await askGithub(audience, runtime);
    case "variable": {
      const text = runtime.env[source.name];
      if (!text) throw authFailure.identityVariableEmpty(source.name, text === "");
      return text;
    }
    case "file":
      try {
        return readPlain(source.path, longestTokenFile);
      } catch (error) {
        if (systemCode(error) === "") throw error;
        throw authFailure.identityFile(source.path, whyUnreadable(error));
      }
  }
}

const githubAnswer = z.object({ value: z.string() });

/** Asks GitHub Actions for a token (GitHub: "OpenID Connect reference", "Methods for requesting the OIDC token"). */
async function askGithub(audience: string, { env, fetch }: Runtime): Promise<string> {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: address, ACTIONS_ID_TOKEN_REQUEST_TOKEN: key } = env;
  if (!address || !key || !/^[\x21-\x7e]+$/.test(key)) throw authFailure.noGithubIdentity();
  const url = githubAddress(address, env);
  if (!url) throw authFailure.notGithub();
  url.searchParams.set("audience", audience);
  const http = new OAuthHttp({ fetch, rule: () => undefined }); // it follows nothing
  const ask = () => http.send(url, { headers: new Headers({ authorization: `bearer ${key}` }), patienceMs: githubMs });
  let answer = await ask();
  for (let failures = 1; failures < mostTries && isPassing(answer.status); failures++) {
    await pause(backoffMs(failures), new AbortController().signal);
    answer = await ask();
  }
  const { status, text } = answer;
  const value = status === 200 ? parseJson(text, githubAnswer)?.value : undefined;
  if (value === undefined) throw authFailure.githubAnswered(url.origin, status);
  return value;
}

/**
 * Judges the address that a job is to ask for its token. Who gets the request gets the key to the job's identity.
 * github.com's own are below `actions.githubusercontent.com`; GitHub Enterprise Cloud's with data residency below their own
 * name too; GitHub Enterprise Server's are on the server itself (`/_services/…`). A workflow cannot set variables that
 * begin with `GITHUB_` (GitHub: "Variables reference").
 *
 * @returns the address; undefined when it is not `https:`, or not GitHub's
 */
function githubAddress(address: string, env: Env): URL | undefined {
  const url = URL.parse(address);
  const server = URL.parse(env.GITHUB_SERVER_URL || "https://github.com");
  if (url?.protocol !== "https:" || url.username || url.password || !server) return undefined;
  const isCloud = server.host === "github.com";
  const isResident = server.host.endsWith(".ghe.com");
  if (!isCloud && !isResident) return url.host === server.host ? url : undefined;
  const suffixes = [".actions.githubusercontent.com", ...(isResident ? [`.${server.host}`] : [])];
  return suffixes.some((suffix) => url.host.endsWith(suffix)) ? url : undefined;
}
