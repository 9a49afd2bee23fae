import { Api } from "../api/client.ts";
import type { Model } from "../api/schemas.ts";
import { endsSoon } from "../auth/bearer-token.ts";
import { type Expiry, expiryOf } from "../auth/credential.ts";
import type { Credentials } from "../auth/credentials.ts";
import { authFailure } from "../auth/failures.ts";
import { asCodemieError } from "../core/errors.ts";
import { hostAt } from "../core/host.ts";
import { nearest, printable } from "../core/text.ts";
import { version } from "../core/version.ts";
import { discoverProvider } from "../oauth/provider.ts";
import { stoppableFetch } from "../platform/network.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type Check, type Finding, failed, failedWith, ok, skipped, warning } from "./check.ts";
import { checkSignature } from "./signature.ts";

/** Everything that the checks of a login need. */
export interface LoginChecks {
  readonly runtime: Runtime;
  /** undefined when no host is set up */
  readonly credentials: Credentials | undefined;
  /** the OpenID provider of the profile, if it has one */
  readonly issuer: string | undefined;
  readonly origin: string | undefined;
  /** calls the REST API; undefined for a model provider */
  readonly api: (<T>(call: (api: Api) => Promise<T>) => Promise<T>) | undefined;
  readonly models: () => Promise<Model[]>;
  /** the configured model, if any */
  readonly model: string | undefined;
}

/** A login that ends within this time gets a warning, ms. */
const soonMs = 24 * 3600 * 1000;

/** How long the provider may take to answer, ms: less than a check may, so that it says why. */
const providerMs = 10_000;

/** @returns the checks of the credential and its provider, and of what it allows */
export function loginChecks({ runtime, credentials, issuer, origin, api, models, model }: LoginChecks): Check[] {
  const none = skipped("no host is set up");
  return [
    {
      id: "provider",
      title: "OpenID provider",
      async run(signal) {
        if (issuer === undefined) return skipped(origin === undefined ? none.message : "this profile uses none");
        const inTime = stoppableFetch(runtime.fetch, AbortSignal.any([signal, AbortSignal.timeout(providerMs)]));
        const found = await discoverProvider(issuer, inTime);
        if ("unusable" in found) return failedWith(authFailure.provider(issuer, found.unusable));
        return ok(`${printable(issuer, 120)} answers`);
      },
    },
    {
      id: "credential",
      title: "credential",
      async run() {
        if (!credentials) return none;
        try {
          const { bearer, login, variable, identity } = await credentials.current();
          const now = runtime.now();
          const what = identity
            ? `the identity token of ${identity.place}, for ${printable(identity.subject, 120)}`
            : `a bearer token${variable ? ` from ${variable} in this shell's environment` : ""}`;
          if (bearer) return judgeEnd(bearer.expiresAt, endsSoon(bearer, now), now, what);
          if (!login) return ok("an API key that is stored nowhere");
          if (login.method === "api-key") return ok("a stored API key");
          const expiry: Expiry = expiryOf(login);
          const soon = login.method === "sso" && expiry.at !== null && expiry.at - now < soonMs;
          return judgeEnd(
            expiry.at ?? undefined,
            soon,
            now,
            login.method === "sso" ? "a browser session" : "tokens that renew themselves",
          );
        } catch (error) {
          return failedWith(asCodemieError(error));
        }
      },
    },
    {
      id: "signature",
      title: "token's signature",
      async run(signal) {
        if (!credentials || !origin) return none;
        const { bearer, login } = await credentials.current().catch(() => ({ bearer: undefined, login: undefined }));
        const token = bearer?.token.reveal() ?? (login?.method === "oidc" ? login.accessToken : undefined);
        if (token === undefined) return skipped("no bearer token");
        return await checkSignature(token, { issuer, origin, fetch: runtime.fetch, signal });
      },
    },
    {
      id: "api",
      title: "API",
      asks: origin,
      async run(signal) {
        if (!credentials) return none;
        if (!api) return skipped("not for a model provider: see models");
        const me = await api((client) => client.user()).catch(async (error: unknown) => {
          // Without a login no request was made: whether this is a host that answers matters more.
          if (origin && asCodemieError(error).code === "auth_needed") await lookWithoutLogin(origin, runtime, signal);
          throw error;
        });
        const name = me.name || me.username;
        return ok(
          `answers, as ${printable(name, 80)}${me.email && me.email !== name ? ` <${printable(me.email, 80)}>` : ""}`,
        );
      },
    },
    {
      id: "models",
      title: "models",
      asks: origin,
      async run() {
        if (!credentials) return none;
        let ids: string[];
        try {
          ids = (await models()).map(({ id }) => id);
        } catch (error) {
          const { code, message } = asCodemieError(error);
          if (model === undefined || (code !== "server_error" && code !== "wrong_base_url")) throw error;
          return warning(message, `runs use ${printable(model, 60)}, which is named, without a list`);
        }
        const count = `${ids.length} model${ids.length === 1 ? "" : "s"}`;
        if (ids.length === 0)
          return warning("your account may use no model", "ask the administrator of the host for access to one");
        if (model === undefined || ids.includes(model))
          return ok(model === undefined ? count : `${count}, ${printable(model, 60)} among them`);
        const close = nearest(model, ids);
        return warning(
          `${count}, and ${printable(model, 60)} is not in the list`,
          close ? `did you mean ${printable(close, 60)}` : "see codemie models",
        );
      },
    },
  ];
}

/** @throws `unreachable`, `tls`, `server_error`; `wrong_base_url` when a host answers that is not CodeMie's */
async function lookWithoutLogin(origin: string, { fetch }: Runtime, signal: AbortSignal): Promise<void> {
  const inTime = stoppableFetch(fetch, signal);
  try {
    await new Api({ host: hostAt(origin), authorize: () => undefined, fetch: inTime, version }).user();
  } catch (error) {
    if (asCodemieError(error).exitCode !== 4) throw error; // it asks for a login, as it should
  }
}

function judgeEnd(at: number | undefined, soon: boolean, nowMs: number, what: string): Finding {
  if (at === undefined) return ok(`${what}; it does not say when it ends`);
  const until = new Date(at).toISOString().slice(0, 16).replace("T", " ");
  if (at <= nowMs) return failed(`${what}, ended ${until} UTC`, "run codemie profile refresh");
  return soon ? warning(`${what}, until ${until} UTC`, "get a new one soon") : ok(`${what}, until ${until} UTC`);
}
