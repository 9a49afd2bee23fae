import type { Host } from "../core/host.ts";
import { readIfPresent, stampOf } from "../platform/files.ts";
import { authorizeWithBearer } from "./authorize.ts";
import { type BearerToken, readBearerToken } from "./bearer-token.ts";
import type { Credentials, Lease } from "./broker.ts";
import { authFailure } from "./failures.ts";

/** Where a bearer token comes from that is given for this run and stored nowhere. */
export type TokenSource =
  | { readonly kind: "text"; readonly text: string }
  /** read again whenever it changes, as a CI system or a mounted secret rotates it */
  | { readonly kind: "file"; readonly path: string };

/**
 * Credentials out of a given token: nothing to store, nothing to renew but the file.
 *
 * @param source where the token comes from
 * @param host the one host it goes to
 * @param now clock, ms since the epoch
 */
export function givenToken(source: TokenSource, host: Host, now: () => number): Credentials {
  let lease: (Lease & { readonly given: string; readonly bearer: BearerToken }) | undefined;
  let read: { stamp: string; text: string } | undefined;

  async function text(): Promise<string> {
    if (source.kind === "text") return source.text;
    const stamp = await stampOf(source.path);
    if (read?.stamp !== stamp) {
      const content = await readIfPresent(source.path);
      if (content === undefined) throw authFailure.tokenFileMissing(source.path);
      read = { stamp, text: content };
    }
    return read.text;
  }

  async function current(): Promise<Lease> {
    const given = await text();
    // A token that was looked through once only has to be looked at for its end.
    if (lease?.given === given && (lease.bearer.expiresAt ?? Number.POSITIVE_INFINITY) > now()) return lease;
    const bearer = readBearerToken(given, now());
    const authorize = authorizeWithBearer(bearer.token);
    lease = { given, origin: host.origin, authorize, bearer, login: undefined };
    return lease;
  }

  return {
    current,
    capture: async () => undefined,
    async renew(refused) {
      const newer = await current().catch(() => undefined);
      return newer && newer.bearer?.token.reveal() !== refused.bearer?.token.reveal() ? newer : undefined;
    },
  };
}
