import { CodemieError } from "../core/errors.ts";
import type { Host } from "../core/host.ts";
import { stampOf } from "../platform/files.ts";
import { readNamedText } from "../platform/foreign-files.ts";
import type { Runtime } from "../platform/runtime.ts";
import { authorizeWithBearer } from "./authorize.ts";
import { type BearerToken, readBearerToken } from "./bearer-token.ts";
import type { Credentials, Lease } from "./credentials.ts";
import { authFailure } from "./failures.ts";
import { confirmations, isAccepted } from "./probe.ts";

/** Longest file with a token, bytes: a host takes no header that is nearly as long. */
export const longestTokenFile = 1024 * 1024;

/** The source of a bearer token that is given for this run and stored nowhere. */
export type TokenSource = (
  | { readonly kind: "text"; readonly text: string }
  /** read again whenever it changes: a CI system or a mounted secret rotates it */
  | { readonly kind: "file"; readonly path: string }
) & {
  /** the variable that gave it, if one did */
  readonly variable?: string | undefined;
};

/**
 * Makes credentials from a given token. Nothing is stored; only a file can bring a newer token.
 *
 * @param source where the token comes from
 * @param host the only host it goes to
 * @param runtime `now`: the clock, ms since the epoch
 * @returns the credentials; `current` throws `auth_needed` when the file is missing, and as {@link readBearerToken}
 */
export function givenToken(
  source: TokenSource,
  host: Host,
  { now, fetch }: Pick<Runtime, "now" | "fetch">,
): Credentials {
  let lease: (Lease & { readonly given: string; readonly bearer: BearerToken }) | undefined;
  const confirmed = confirmations();
  const { variable } = source;
  let read: { stamp: string; text: string } | undefined;

  async function text(): Promise<string> {
    if (source.kind === "text") return source.text;
    const stamp = await stampOf(source.path);
    if (read?.stamp !== stamp) {
      const content = await readNamedText(source.path, longestTokenFile);
      if (content === undefined) throw authFailure.tokenFileMissing(source.path);
      read = { stamp, text: content };
    }
    return read.text;
  }

  function readBearer(given: string): BearerToken {
    try {
      return readBearerToken(given, now());
    } catch (error) {
      throw variable && error instanceof CodemieError ? authFailure.ofVariable(variable, error) : error;
    }
  }

  async function current(): Promise<Lease> {
    const given = await text();
    // This token passed its checks before; only its end can have come since.
    if (lease?.given === given && (lease.bearer.expiresAt ?? Number.POSITIVE_INFINITY) > now()) return lease;
    const bearer = readBearer(given);
    const authorize = authorizeWithBearer(bearer.token);
    lease = { given, origin: host.origin, authorize, bearer, variable, login: undefined };
    return lease;
  }

  return {
    current,
    capture: async () => undefined,
    confirm: ({ authorize, bearer }) =>
      confirmed(bearer?.token.reveal() ?? "", () => isAccepted(host, authorize, fetch)),
    async renew(refused) {
      const newer = await current().catch(() => undefined);
      return newer && newer.bearer?.token.reveal() !== refused.bearer?.token.reveal() ? newer : undefined;
    },
  };
}
