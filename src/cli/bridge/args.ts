import type { Env } from "../../core/env.ts";
import { type CallbackChoice, isLoopback } from "../../core/host.ts";
import { parseSeconds } from "../../core/parse.ts";
import { pasted, placeholder, tokenForAddress } from "../../core/pasted.ts";
import { Secret } from "../../core/secret.ts";
import type { Protocol } from "../../mcp/eras/eras.ts";
import { mcpFailure } from "../../mcp/failures.ts";
import { readCallback } from "../callback-flags.ts";
import { cliFailure } from "../failures.ts";
import { bridgeFailure } from "./failures.ts";
import { type Flag, isPlainWord, isSplit, splitFlags } from "./flags.ts";
import { readHeaders } from "./headers.ts";

/** Looks up an environment variable. */
type Lookup = (name: string) => string | undefined;

/** The bridge's command line, checked. */
export interface McpArgs {
  readonly help: boolean;
  readonly version: boolean;
  /** the server's address; a placeholder when `help` or `version` is set */
  readonly url: URL;
  readonly headers: Headers;
  /** a file with more of them */
  readonly headerFile: string | undefined;
  readonly transport: "auto" | "http" | "sse";
  /** the revision of MCP that the server speaks */
  readonly protocol: Protocol;
  readonly allowHttp: boolean;
  /** ms a request may wait without a byte from the server, 0 for ever; undefined: the standard limits */
  readonly silenceMs: number | undefined;
  readonly grant: "authorization-code" | "client-credentials" | "enterprise" | "jwt-bearer";
  readonly scope: string | undefined;
  /** the resource indicator to send (RFC 8707); undefined: the server's own; `none`: send none */
  readonly resource: string | undefined;
  /** the `prompt` to send; empty: none; undefined: as the provider needs it */
  readonly prompt: string | undefined;
  /** more parameters of the authorization request, by name */
  readonly authorizeParameters: Readonly<Record<string, string>>;
  /** names of tools that the client is not to know of, with `*` for any text */
  readonly ignoredTools: readonly string[];
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly clientSecret: Secret | undefined;
  /** the client's private key, or the file that holds it */
  readonly clientKey: Secret | { readonly file: string } | undefined;
  readonly clientMetadataUrl: string | undefined;
  /** the company's identity provider; undefined: an OIDC profile's */
  readonly provider:
    | {
        readonly tokenEndpoint: URL;
        readonly clientId: string;
        readonly clientSecret: Secret | undefined;
        readonly idToken: Secret;
      }
    | undefined;
  /** where the identity token of this job is, and whom it is for if not the authorization server */
  readonly workload: { readonly source: string; readonly audience: string | undefined } | undefined;
  readonly profile: string | undefined;
  readonly callback: CallbackChoice;
  readonly authSeconds: number;
  readonly browser: boolean;
  /** true: log in with a device code, in a browser on any machine */
  readonly byDevice: boolean;
  readonly persist: boolean;
  readonly explain: boolean;
  /** names of all variables that the other members come from */
  readonly secretVariables: readonly string[];
}

const protocols = ["auto", "2025-11-25", "2026-07-28"] as const satisfies Protocol[];
const transports = ["auto", "http", "sse"] as const;
const grants = ["authorization-code", "client-credentials", "enterprise", "jwt-bearer"] as const;
const standardAuthSeconds = 120;

/**
 * Reads the bridge's command line.
 *
 * @param args the arguments after the program's name
 * @param env the environment with the named variables; `unknown` when the arguments are for a later start of the bridge:
 *   every named variable then counts as set, with its own name as its value
 * @throws usage errors
 */
export function readMcpArgs(args: readonly string[], env: Env | "unknown"): McpArgs {
  const { values, words } = splitFlags(args);
  const text = (name: Flag) => values[name]?.at(-1);
  const is = (name: Flag) => values[name] !== undefined;
  const secretVariables: string[] = [];
  const lookup: Lookup = (name) => {
    secretVariables.push(name);
    return env === "unknown" ? name : env[name];
  };
  const [url, surplus] = words;
  const isOdd = surplus !== undefined || (url !== undefined && !URL.canParse(pasted(url)));
  if (isOdd && isSplit(args)) throw bridgeFailure.splitHeader();
  if (surplus !== undefined) throw bridgeFailure.surplusWord();
  const [help, version] = [is("help"), is("version")];
  const asksOnly = help || version;
  if (!asksOnly && url === undefined) throw bridgeFailure.urlMissing();
  return {
    help,
    version,
    url: asksOnly ? new URL("https://localhost") : serverUrl(url ?? "", is("allow-http")),
    headers: readHeaders(values, lookup),
    headerFile: text("header-file"),
    transport: oneOf("transport", text("transport") ?? "auto", transports),
    protocol: oneOf("protocol", text("protocol") ?? "auto", protocols),
    allowHttp: is("allow-http"),
    silenceMs: text("timeout") === undefined ? undefined : secondsOf("--timeout", text("timeout"), 0) * 1000,
    scope: text("scope"),
    resource: resourceOf(text("resource"), is("no-resource")),
    prompt: promptOf(text("prompt")),
    authorizeParameters: readParameters(values["authorize-param"] ?? []),
    ignoredTools: values["ignore-tool"] ?? [],
    issuer: httpsOf("--issuer", text("issuer")),
    ...readClient(text, lookup),
    profile: text("profile"),
    callback: readCallback(text("callback-host"), text("callback-port")),
    authSeconds: Math.max(1, secondsOf("--auth-timeout", text("auth-timeout"), standardAuthSeconds)),
    browser: !is("no-browser"),
    byDevice: is("device-code"),
    persist: is("persist"),
    explain: is("explain"),
    secretVariables,
  };
}

/** Reads our client at the authorization server: demands the flags its grant needs, and refuses contradictions. */
function readClient(text: (name: Flag) => string | undefined, lookup: Lookup) {
  const grant = oneOf("grant", text("grant") ?? "authorization-code", grants);
  const clientSecret = secretOf("client-secret-env", text("client-secret-env"), lookup);
  const keyText = secretOf("client-key-env", text("client-key-env"), lookup);
  const keyFile = text("client-key");
  const clientKey = keyText ?? (keyFile === undefined ? undefined : { file: keyFile });
  const clientId = text("client-id");
  if ([clientSecret, keyText, keyFile].filter(Boolean).length > 1) throw bridgeFailure.secretAndKey();
  const clientMetadataUrl = text("client-metadata-url");
  // The document holds the public half of a key, and no secret.
  const hasKeyOnly = clientMetadataUrl !== undefined && !clientSecret;
  if (clientId === undefined && (clientSecret || clientKey) && !hasKeyOnly) throw bridgeFailure.clientIdMissing();
  const proof = clientSecret ?? clientKey;
  const workload = readWorkload(grant, text, lookup);
  const isProved = proof !== undefined || workload !== undefined;
  // MCP's enterprise-managed authorization, section 5: such a client need not prove itself.
  const isDocumented = grant === "enterprise" && clientMetadataUrl !== undefined;
  const isNamed = isDocumented || (clientId !== undefined && isProved);
  if (grant !== "authorization-code" && !isNamed) throw mcpFailure.clientNeeded(grant);
  const document = URL.parse(clientMetadataUrl ?? "");
  if (clientMetadataUrl !== undefined && (document?.protocol !== "https:" || document.pathname === "/")) {
    throw bridgeFailure.badMetadataUrl();
  }
  const provider = readProvider(text, lookup);
  return { grant, clientId, clientSecret, clientKey, clientMetadataUrl, provider, workload };
}

/** Reads where the identity token of this job is: the grant and the flag belong together. */
function readWorkload(grant: McpArgs["grant"], text: (name: Flag) => string | undefined, lookup: Lookup) {
  const [source, audience] = [text("id-token"), text("audience")];
  if ((grant === "jwt-bearer") !== (source !== undefined)) throw bridgeFailure.workloadIncomplete();
  if (source === undefined) {
    if (audience !== undefined) throw bridgeFailure.workloadIncomplete();
    return undefined;
  }
  if (!/^(?:github|env:[A-Za-z_]\w*|file:.+)$/.test(source)) throw bridgeFailure.badIdToken();
  if (source.startsWith("env:")) lookup(source.slice("env:".length));
  return { source, audience };
}

function readProvider(text: (name: Flag) => string | undefined, lookup: Lookup): McpArgs["provider"] {
  const tokenEndpoint = text("idp-token-endpoint");
  const clientId = text("idp-client-id");
  const idToken = secretOf("id-token-env", text("id-token-env"), lookup);
  const clientSecret = secretOf("idp-client-secret-env", text("idp-client-secret-env"), lookup);
  if (!tokenEndpoint && !clientId && !idToken && !clientSecret) return undefined;
  if (!tokenEndpoint || !clientId || !idToken) {
    throw bridgeFailure.providerIncomplete();
  }
  const url = URL.parse(httpsOf("--idp-token-endpoint", tokenEndpoint) ?? "");
  return url ? { tokenEndpoint: url, clientId, clientSecret, idToken } : undefined;
}

function oneOf<T extends string>(what: string, value: string, known: readonly T[]): T {
  const found = known.find((one) => one === value);
  if (found === undefined) throw cliFailure.noSuch(what, value, known, "choices");
  return found;
}

function secretOf(flag: Flag, name: string | undefined, lookup: Lookup): Secret | undefined {
  if (name === undefined) return undefined;
  const value = lookup(name);
  if (!value) throw bridgeFailure.variableUnset(flag, name);
  return new Secret(value);
}

function httpsOf(flag: string, text: string | undefined): string | undefined {
  const url = URL.parse(text ?? "");
  if (text === undefined || url?.protocol === "https:") return text;
  if (url?.protocol === "http:" && isLoopback(url.hostname)) return text;
  throw bridgeFailure.notHttps(flag);
}

function resourceOf(given: string | undefined, none: boolean): string | undefined {
  if (given !== undefined && none) throw bridgeFailure.resourceAndNone();
  if (given !== undefined && !URL.parse(given)) throw bridgeFailure.badResource();
  return none ? "none" : given;
}

/** Values of `prompt` (OpenID Connect Core 1.0 section 3.1.2.1); providers have some of their own. */
function promptOf(text: string | undefined): string | undefined {
  if (text && !/^[A-Za-z0-9_-]+( [A-Za-z0-9_-]+)*$/.test(text)) throw bridgeFailure.badPrompt();
  return text;
}

/** Parameters of the authorization request that protect it or have a flag of their own. */
const ownParameters: readonly string[] = [
  ...["response_type", "response_mode", "client_id", "redirect_uri", "state", "nonce", "code_challenge"],
  ...["code_challenge_method", "scope", "resource", "prompt", "request", "request_uri", "dpop_jkt"],
];

function readParameters(given: readonly string[]): Record<string, string> {
  const pairs = given.map((text) => {
    const [, name, value] = /^([A-Za-z0-9_.:-]{1,100})=([\s\S]*)$/.exec(text) ?? [];
    if (name === undefined || value === undefined) throw bridgeFailure.badParameter();
    if (ownParameters.includes(name.toLowerCase())) throw bridgeFailure.ownParameter(name);
    return [name, value] as const;
  });
  return Object.fromEntries(pairs);
}

/**
 * @param typed the server's address
 * @param allowHttp whether plain `http:` may leave this machine
 * @returns the address, without its fragment
 * @throws usage error when it is no http(s) address, holds a user name or password, or is `http:` to another machine
 *   without `allowHttp`
 */
export function serverUrl(typed: string, allowHttp: boolean): URL {
  const text = pasted(typed);
  const url = URL.parse(text);
  // A word that is no address may be a key in the wrong place: no message repeats it.
  const unknown = isPlainWord(text) ? text : "the word that should be its address";
  const token = tokenForAddress(text);
  if (!url || token) throw bridgeFailure.url(unknown, token ?? placeholder(text) ?? "it is not a web address");
  if (url.username || url.password) {
    throw bridgeFailure.url(
      url.origin,
      "a user name or password in it is not allowed",
      "use --header-env for a credential",
    );
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw bridgeFailure.url(unknown, "only https: is supported");
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !allowHttp) {
    const hint = "use https:, or --allow-http if you know that nobody listens in between";
    throw bridgeFailure.url(text, "plain http: sends messages and tokens in clear text", hint);
  }
  url.hash = "";
  return url;
}

function secondsOf(flag: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  const seconds = parseSeconds(text);
  if (seconds === undefined) throw cliFailure.notSeconds(flag, text, 300);
  return seconds;
}
