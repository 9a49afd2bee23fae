import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { parseJson } from "../core/json.ts";
import { textUpTo } from "../platform/body.ts";
import { type Fetch, networkFailure } from "../platform/network.ts";
import { apiFailure } from "./failures.ts";
import { errorSentence, isHtml } from "./judge.ts";
import { longestAnswer, type Model, providerModels, usable } from "./schemas.ts";

/** How long a call may take, ms. */
const callTimeoutMs = 30_000;

export interface ProviderOptions {
  readonly host: Host;
  /** name for the models' `provider` */
  readonly provider: string;
  /** puts the key on a request */
  readonly authorize: (headers: Headers) => void;
  readonly fetch: Fetch;
}

/**
 * Asks a model provider for its models, which proves the key too: `GET models` of the OpenAI and Anthropic APIs.
 *
 * @returns the models, in the provider's order, as far as {@link usable}
 * @throws `server_error` or `wrong_base_url` when the list cannot be had; `auth_refused`, `unreachable`, `tls`
 */
export async function modelsOfProvider(options: ProviderOptions): Promise<Model[]> {
  const found = await modelsIfListed(options);
  if (found instanceof CodemieError) throw found;
  return found;
}

/**
 * As {@link modelsOfProvider}, but tells an API that only has no list from what is none.
 *
 * @returns the models; or why there is no list, where the address may be that of a model API all the same
 * @throws `wrong_base_url` for a page; `auth_refused`, `unreachable`, `tls`
 */
export async function modelsIfListed(options: ProviderOptions): Promise<Model[] | CodemieError> {
  const { host, provider, authorize, fetch } = options;
  // Anthropic refuses requests that do not name a version of its API; the others ignore the header.
  const headers = new Headers({ accept: "application/json", "anthropic-version": "2023-06-01" });
  authorize(headers);
  let answer: Response;
  let body: string;
  try {
    answer = await fetch(`${host.api}/models?limit=1000`, { headers, signal: AbortSignal.timeout(callTimeoutMs) });
    body = await textUpTo(answer, longestAnswer, () => apiFailure.tooLong(host.origin, longestAnswer));
  } catch (error) {
    throw networkFailure(host.origin, error);
  }
  const { status } = answer;
  const said = () => errorSentence(body, headers);
  if (status === 401 || status === 403) throw apiFailure.keyRefused(host.origin, said());
  if (status < 400 && (status >= 300 || isHtml(answer.headers))) {
    throw apiFailure.notAModelApi(host.api, "it sent a web page where a list of models was expected");
  }
  if (status === 404 || status === 405 || status === 501)
    return apiFailure.notAModelApi(host.api, `it answered ${status} for its list of models`, true);
  if (status >= 400) return apiFailure.server(host.origin, status, said());
  const list = parseJson(body, providerModels);
  if (!list) return apiFailure.notAModelApi(host.api, "its list of models has another form", true);
  return usable(
    list.map(({ id, display_name }) => ({
      id,
      label: display_name ?? id,
      provider,
      default: false,
      cost: null,
    })),
  );
}
