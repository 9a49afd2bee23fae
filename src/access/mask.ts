import type { Credentials } from "../auth/credentials.ts";
import { Secret } from "../core/secret.ts";
import type { Context } from "./context.ts";

/**
 * Has a CI system's log hide the credential of a run, wherever another program may print it. Does nothing elsewhere.
 *
 * @throws as {@link Credentials.current}
 */
export async function maskCredential({ runtime: { terminal } }: Context, credentials: Credentials): Promise<void> {
  if (terminal.ci !== "github") return;
  const headers = new Headers();
  (await credentials.current()).authorize(headers);
  for (const [, value] of headers) terminal.mask(new Secret(value.replace(/^Bearer /, "")));
}
