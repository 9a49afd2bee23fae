import { isCi } from "../../core/env.ts";
import type { Client } from "../../oauth/client.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import { browserFor } from "../../platform/browser.ts";
import { mcpFailure } from "../failures.ts";
import { givenClient } from "./client.ts";
import { authorizeByCode, type PersonOptions } from "./code-flow.ts";
import { authorizeByDevice } from "./device-flow.ts";
import type { Deployment } from "./discovery.ts";
import { authorizeAsMachine, authorizeByEnterprise, redeemAssertion } from "./machine.ts";
import type { SessionOptions } from "./options.ts";

/**
 * Requests a token by the grant that the user chose.
 *
 * @param known the client we used before, if any
 * @param chosen called with the client before the browser opens; authorization code grant only
 * @returns the token endpoint's answer, and the client
 * @throws `auth_needed` when nobody can log in; usage error when the grant needs a client that the user has not named; as
 *   {@link authorizeByCode}, {@link authorizeAsMachine} and {@link authorizeByEnterprise}
 */
export async function askForToken(
  options: SessionOptions,
  deployment: Deployment,
  scope: string | undefined,
  known: Client | undefined,
  chosen: (client: Client) => void,
): Promise<{ answer: TokenAnswer; client: Client }> {
  const { url, grant, issuer, client: clientOptions, enterprise, workload, person, http, trace } = options;
  if (grant === "authorization-code") {
    requireSomebody(person, url.origin);
    let client: Client | undefined;
    const flow = { deployment, issuer, scope, known, clientOptions, person, http, trace };
    const authorize = person.byDevice ? authorizeByDevice : authorizeByCode;
    const answer = await authorize(flow, (one) => {
      client = one;
      chosen(one);
    });
    if (!client) throw mcpFailure.clientNeeded(grant);
    return { answer, client };
  }
  const client = givenClient(deployment.server, clientOptions);
  if (!client || (grant === "enterprise" && !enterprise)) throw mcpFailure.clientNeeded(grant);
  if (workload) {
    const assertion = await workload(deployment.server.issuer);
    return { answer: await redeemAssertion(deployment, client, scope, assertion, http, trace), client };
  }
  const answer = enterprise
    ? await authorizeByEnterprise(deployment, client, scope, await enterprise(), http, trace)
    : await authorizeAsMachine(deployment, client, scope, http, trace);
  return { answer, client };
}

/** A client reads what the bridge prints, and may show it to a person; but in a job of a CI system there is none. */
function requireSomebody({ runtime, mayOpenBrowser, byDevice }: PersonOptions, origin: string): void {
  const browser = browserFor(runtime.env);
  const isAlone = isCi(runtime.env) && browser.kind === "none" && !browser.isWish;
  if (isAlone && mayOpenBrowser && !byDevice) throw mcpFailure.nobodyToLogIn(origin);
}
