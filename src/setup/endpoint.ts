import { apiFailure } from "../api/failures.ts";
import { modelsOfProvider } from "../api/provider.ts";
import type { Model } from "../api/schemas.ts";
import { authorizeWithKey } from "../auth/authorize.ts";
import { CodemieError } from "../core/errors.ts";
import { type Host, parseProvider } from "../core/host.ts";
import type { Secret } from "../core/secret.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type ProviderName, providers } from "../profiles/providers.ts";
import { setupFailure } from "./failures.ts";

/**
 * Finds where a provider's API begins, and tries the key on the way. People give the root, the version's folder or the
 * whole address of an endpoint; the first base whose list of models answers is the one. Nothing but the given origin is
 * asked.
 *
 * @param input base URL as typed, or undefined for the provider's usual one
 * @returns the base, and the models the key may use
 * @throws usage error for no address; `auth_refused` when the key is refused; `wrong_base_url` when no base answers;
 *   `server_error`, `unreachable`, `tls`
 */
export async function findEndpoint(
  input: string | undefined,
  provider: ProviderName,
  key: Secret,
  runtime: Runtime,
): Promise<{ host: Host; models: Model[] }> {
  const { url, title, example, bases } = providers[provider];
  const typed = input ?? url;
  if (typed === undefined) throw setupFailure.needsBaseUrl(title, example);
  const given = parseProvider(
    typed.trim().replace(/\/(chat\/completions|completions|responses|messages|models)\/?$/, ""),
  );
  const versioned = /\/v\d+[a-z0-9]*$/i.test(given.api);
  const candidates = versioned ? [given.api] : bases.map((base) => given.api + base);
  const authorize = authorizeWithKey(provider, key);
  let first: CodemieError | undefined;
  for (const api of candidates) {
    const host: Host = { ...given, api };
    try {
      return { host, models: await modelsOfProvider({ host, provider, authorize, fetch: runtime.fetch }) };
    } catch (error) {
      // Elsewhere at the same origin the API may still be; a refused key or a network that is down is the answer.
      if (!(error instanceof CodemieError) || error.code !== "wrong_base_url") throw error;
      first ??= error;
    }
  }
  throw first ?? apiFailure.notAModelApi(given.api, "nothing answered");
}
