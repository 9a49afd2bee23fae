import type { Host } from "../core/host.ts";
import { pastedSecret, placeholder } from "../core/pasted.ts";
import { Secret } from "../core/secret.ts";
import type { ProviderName } from "../profiles/providers.ts";
import { authorizeWithKey } from "./authorize.ts";
import type { Credentials, Lease } from "./credentials.ts";
import { authFailure } from "./failures.ts";

/**
 * Reads a model provider's key from the text of a prompt, a variable or standard input.
 *
 * @returns the key, without what comes along when it is copied
 * @throws usage error when the text cannot be one word of a header
 */
export function readApiKey(text: string): Secret {
  const key = pastedSecret(text);
  if (key === "") throw authFailure.badKey("it is empty");
  const standIn = placeholder(key);
  if (standIn) throw authFailure.badKey(standIn);
  if (!/^[\x21-\x7e]+$/.test(key))
    throw authFailure.badKey("it holds a space, a line break or a character beyond ASCII");
  return new Secret(key);
}

/** @returns credentials from a key given for this run: nothing to store, nothing to renew */
export function givenKey(provider: ProviderName, key: Secret, host: Host): Credentials {
  const lease: Lease = { origin: host.origin, authorize: authorizeWithKey(provider, key), login: undefined };
  return { current: async () => lease, capture: async () => undefined, renew: async () => undefined };
}
