import { type ApiAnswer, isHtml, judge } from "../api/judge.ts";
import { type Host, hostAt, parseHost, parseProvider } from "../core/host.ts";
import { jsonValue } from "../core/json-value.ts";
import { printable } from "../core/text.ts";
import { readBody } from "../platform/body.ts";
import { networkFailure } from "../platform/network.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type ProviderName, providers } from "../profiles/providers.ts";

/** The kind of service at an address. */
export type Detected =
  /** a CodeMie host; `front`: oauth2-proxy, its single sign-on, stands before it; `ofPage`: the address was a page's */
  | { readonly kind: "codemie"; readonly host: Host; readonly front: boolean; readonly ofPage: boolean }
  | { readonly kind: "issuer"; readonly issuer: string }
  | { readonly kind: "provider"; readonly url: string; readonly provider: ProviderName }
  /** none of these; `what` says what came back, for a message */
  | { readonly kind: "other"; readonly what: string };

/** How long one request may take, ms. */
const lookMs = 10_000;

type Look = ApiAnswer & { readonly text: string };

/**
 * Detects which service answers at an address, by a few harmless GET requests without any credential.
 *
 * @param input as typed: a bare name, a root, an API's path, an issuer, a page of CodeMie as the browser shows it
 * @throws usage error when it is no address we may use; `unreachable`, `tls`
 */
export async function detect(input: string, runtime: Runtime): Promise<Detected> {
  const given = parseProvider(input.split(/[?#]/, 1)[0] ?? "");
  const known = knownProvider(given.origin);
  if (known) return { kind: "provider", url: given.api, provider: known };
  const look = async (url: string) => await lookAt(url, given.origin, runtime);

  const codemie = async (ofPage: boolean): Promise<Detected | undefined> => {
    const host = hostAt(given.origin);
    const answer = await look(`${host.api}/v1/user`);
    return isCodemie(answer, given.origin) ? { kind: "codemie", host, front: isFront(answer), ofPage } : undefined;
  };
  const ofPage = !couldBeCodemie(input);
  const host = ofPage ? undefined : await codemie(false);
  if (host) return host;
  const metadata = await look(`${given.api}/.well-known/openid-configuration`);
  if (metadata.status === 200 && has(metadata.text, "issuer")) return { kind: "issuer", issuer: given.api };
  for (const base of /\/v\d[a-z0-9]*$/i.test(given.api) ? [""] : ["/v1", "/openai/v1", ""]) {
    const models = await look(`${given.api}${base}/models`);
    const provider = providerBy(models);
    if (provider) return { kind: "provider", url: given.api, provider };
  }
  // A provider's API may lie below the origin of a CodeMie host, so it comes first.
  return (ofPage && (await codemie(true))) || { kind: "other", what: describe(await look(given.api)) };
}

function couldBeCodemie(input: string): boolean {
  try {
    parseHost(input);
    return true;
  } catch {
    return false;
  }
}

/** Recognises a provider by its public address, without a request. */
function knownProvider(origin: string): ProviderName | undefined {
  const { hostname } = new URL(origin);
  if (/\.(openai|cognitiveservices|services\.ai)\.azure\.com$/.test(hostname)) return "azure";
  for (const name of ["openai", "anthropic"] as const) {
    if (new URL(providers[name].url).origin === origin) return name;
  }
  return undefined;
}

/** Detects the families of CodeMie fact 2.5: the front redirects to its login or refuses, or the backend refuses. */
function isCodemie(answer: Look, origin: string): boolean {
  const location = answer.headers.get("location");
  if (location !== null) {
    const target = URL.parse(location, origin);
    return target?.pathname.startsWith("/oauth2/") === true || target?.searchParams.has("client_id") === true;
  }
  if (judge(answer, true) === "unauthenticated") return answer.text.trim() === "{}" || has(answer.text, "error");
  return answer.status === 403 && isHtml(answer.headers) && /oauth2|sign in/i.test(answer.text);
}

/** Only the backend answers in CodeMie's own error shape; every other refusal comes from the front. */
function isFront(answer: Look): boolean {
  return !(answer.status === 401 && has(answer.text, "error"));
}

/** Detects an API by the form of its list of models, or of its refusal to list them without a key. */
function providerBy({ status, headers, text }: Look): ProviderName | undefined {
  if (isHtml(headers)) return undefined;
  if (status === 200) return has(text, "data") ? (has(text, "has_more") ? "anthropic" : "openai") : undefined;
  if (status !== 401 && status !== 403 && status !== 400) return undefined;
  if (/litellm/i.test(text) || headers.has("x-litellm-version")) return "litellm";
  if (has(text, "type") && has(text, "error")) return "anthropic";
  return has(text, "error") ? "openai" : undefined;
}

function describe({ status, headers, text }: Look): string {
  const title = /<title[^>]{0,200}>([^<]{1,200})/i.exec(text)?.[1];
  if (title) return `a web page, “${printable(title, 80)}”`;
  if (isHtml(headers)) return "a web page";
  return `an answer with status ${status}`;
}

function has(text: string, member: string): boolean {
  try {
    const json = jsonValue(text);
    return typeof json === "object" && json !== null && Object.hasOwn(json, member);
  } catch {
    return false;
  }
}

/** How much of an answer to read, bytes: enough for any of the forms above. */
const readAtMost = 65_536;

async function lookAt(url: string, origin: string, runtime: Runtime): Promise<Look> {
  try {
    const answer = await runtime.fetch(url, {
      headers: { accept: "application/json, text/html" },
      signal: AbortSignal.timeout(lookMs),
    });
    const { bytes, end, error } = await readBody(answer.body, readAtMost);
    if (end === "broken") throw error;
    return { status: answer.status, headers: answer.headers, text: new TextDecoder().decode(bytes) };
  } catch (error) {
    throw networkFailure(origin, error);
  }
}
