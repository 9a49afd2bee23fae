import { loginDeadline } from "../../auth/login/browser.ts";
import { CodemieError } from "../../core/errors.ts";
import { printable } from "../../core/text.ts";
import type { EndpointResult } from "../../oauth/answer.ts";
import type { Client } from "../../oauth/client.ts";
import { pollForToken, requestDeviceCode } from "../../oauth/device.ts";
import type { TokenAnswer } from "../../oauth/token-endpoint.ts";
import { mcpFailure } from "../failures.ts";
import { chooseClient } from "./client.ts";
import type { CodeFlow } from "./code-flow.ts";

/** A client that registers itself for device codes has no redirect. */
const noRedirect = "";

/**
 * Authorizes with a device code (RFC 8628): the person enters a short code in a browser on any machine. Where the code and its
 * page are, the terminal and the log tell.
 *
 * @param chosen called with the client as soon as it is known
 * @returns the token endpoint's answer
 * @throws `auth_refused`, `auth_timeout`, `server_error`, `unreachable`, `tls`, the stop signal's failure
 */
export async function authorizeByDevice(flow: CodeFlow, chosen: (client: Client) => void): Promise<TokenAnswer> {
  const { deployment, scope, known, person, http, trace } = flow;
  const { server, resource } = deployment;
  const request = { redirectUri: noRedirect, scope, known };
  const client = await chooseClient(server, flow.clientOptions, request, http, trace, person.runtime.now());
  chosen(client);
  const reference = "RFC 8628 section 3.1";
  const device = issued(server.issuer, await requestDeviceCode(server, client, { scope, resource }, http));
  const page = http.allowed(device.verification_uri_complete ?? device.verification_uri, "the page for device codes");
  const pages = [device.verification_uri, device.verification_uri_complete].flatMap(
    (one) => URL.parse(one ?? "") ?? [],
  );
  const foreign = pages.find(({ hostname }) => hostname !== new URL(server.issuer).hostname);
  // A code of another provider's, entered there, would give this server that provider's token (RFC 8628 section 5.4).
  if (foreign && flow.issuer === undefined) {
    trace({
      name: "device code",
      ok: false,
      detail: `its page is at ${foreign.origin}`,
      reference: "RFC 8628 section 5.4",
    });
    throw mcpFailure.foreignPage(server.issuer, foreign.hostname);
  }
  trace({ name: "device code", ok: true, detail: `waiting for ${page.origin}`, reference });
  person.dialogue.atCode(page.href, printable(device.user_code, 40));
  const time = loginDeadline(person);
  try {
    const troubled = () =>
      person.dialogue.note(`${printable(server.issuer, 120)} has trouble; it is asked again, more slowly`);
    const result = await pollForToken(server, client, device, http, { signal: time.signal, resource, troubled });
    if (result === "expired") throw mcpFailure.codeEnded(server.issuer);
    return issued(server.issuer, result);
  } catch (error) {
    const isLate = time.signal.aborted && error instanceof CodemieError && error.code === "auth_timeout";
    if (!isLate) throw error;
    throw mcpFailure.timedOut(server.issuer, Math.round(person.timeoutMs / 1000), undefined);
  } finally {
    time.end();
  }
}

/** @throws `auth_refused` when the server refused; `server_error` when its answer is unusable */
function issued<T>(issuer: string, result: EndpointResult<T>): T {
  if (result.kind === "refused") throw mcpFailure.deviceRefused(issuer, result.code, result.description);
  if (result.kind === "unusable") throw mcpFailure.token(issuer, result.why);
  return result.document;
}
