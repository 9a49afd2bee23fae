import { apiFailure } from "../api/failures.ts";
import { modelsIfListed } from "../api/provider.ts";
import type { Model } from "../api/schemas.ts";
import { authorizeWithKey } from "../auth/authorize.ts";
import { CodemieError } from "../core/errors.ts";
import { type Host, parseProvider } from "../core/host.ts";
import type { Secret } from "../core/secret.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type ProviderName, providers } from "../profiles/providers.ts";
import { setupFailure } from "./failures.ts";

/**
 * Finds the base URL of a provider's API, and proves the key on the way. People type the root, the version's folder or
 * the whole address of an endpoint; the first base that lists its models is the one. Requests go to the given origin
 * only.
 *
 * @param input base URL as typed, or undefined for the provider's usual one
 * @returns the host with that base, and the models the key may use; or, where no base lists models and the first may be
 *   an API without a list, that base, and why
 * @throws usage error for a missing or unusable address; `auth_refused` when the key is refused; `wrong_base_url` when
 *   no base can be a model API; `unreachable`, `tls`
 */
export async function findEndpoint(
  input: string | undefined,
  provider: ProviderName,
  key: Secret,
  runtime: Runtime,
): Promise<{ host: Host; models: Model[] } | { host: Host; lacksList: CodemieError }> {
  const { url, title, example, bases } = providers[provider];
  const typed = input ?? url;
  if (typed === undefined) throw setupFailure.needsBaseUrl(title, example);
  const given = parseProvider(
    typed.trim().replace(/\/(chat\/completions|completions|responses|messages|models)\/?$/, ""),
  );
  const versioned = /\/v\d[a-z0-9]*$/i.test(given.api);
  const candidates = versioned ? [given.api] : bases.map((base) => given.api + base);
  const authorize = authorizeWithKey(provider, key);
  let first: CodemieError | undefined;
  let lacksList = false;
  for (const api of candidates) {
    const host: Host = { ...given, api };
    try {
      const models = await modelsIfListed({ host, provider, authorize, fetch: runtime.fetch });
      if (!(models instanceof CodemieError)) return { host, models };
      lacksList ||= first === undefined;
      first ??= models;
    } catch (error) {
      // The API may still be at another base of this origin. A refused key or a broken network ends the search.
      if (!(error instanceof CodemieError) || error.code !== "wrong_base_url") throw error;
      first ??= error;
    }
  }
  first ??= apiFailure.notAModelApi(given.api, "nothing answered");
  if (lacksList) return { host: { ...given, api: candidates[0] ?? given.api }, lacksList: first };
  throw first;
}
