import { isLoopback } from "../../core/host.ts";
import { pasted } from "../../core/pasted.ts";
import type { Callback } from "./callback-server.ts";

/** The part of a login's dialogue that this needs. */
interface Paster {
  note(text: string): void;
  readonly readPaste?: ((refuses: (line: string) => boolean, over: AbortSignal) => Promise<void>) | undefined;
}

/**
 * Waits until the person has pasted the address that the browser ended at, and says what is wrong with any other.
 *
 * @param redirect this login's redirect
 * @param faultOf returns why an address of the redirect is not this login's callback
 * @returns the callback; undefined where the terminal is not ours to read
 */
export function pastedCallback(
  { readPaste, note }: Paster,
  redirect: URL,
  faultOf: (callback: URL) => string | undefined,
  over: AbortSignal,
): Promise<Callback> | undefined {
  if (!readPaste) return undefined;
  let url: URL | undefined;
  const refuses = (line: string) => {
    if (line.trim() === "") return true;
    const found = readPastedUrl(line, redirect);
    const fault = typeof found === "string" ? found : faultOf(found);
    if (fault !== undefined) note(`that is not the address of this login: ${fault}; paste the right one:`);
    else if (typeof found !== "string") url = found;
    return url === undefined;
  };
  return readPaste(refuses, over).then(() => ({ url: url ?? redirect, isTrusted: true, finish: () => undefined }));
}

/**
 * Reads the address that a person pasted from the browser after the login. The result repeats nothing of a wrong one: it
 * may hold another login's secret.
 *
 * @param line one line; white space in it, quotes and angle brackets around it are taken off
 * @param redirect this login's redirect; its host may have any name of this machine
 * @returns the callback's URL, or what is wrong with it
 */
export function readPastedUrl(line: string, redirect: URL): URL | string {
  const bare = pasted(pasted(line).replace(/^<(.*)>$/s, "$1"));
  const url = URL.parse(bare.replace(/\s+/g, ""));
  if (!url) return "it is no address";
  const isOurs = url.protocol === redirect.protocol && isLoopback(url.hostname) && url.pathname === redirect.pathname;
  if (!isOurs) return `the right one begins with ${redirect.href}?`;
  return url.port === redirect.port ? url : `its port is ${url.port || 80}, and this login's is ${redirect.port || 80}`;
}
