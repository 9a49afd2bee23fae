import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { isLoopback } from "../core/host.ts";
import { readPlain } from "./foreign-files.ts";

/** Where names are that no name server is asked about; Windows has it elsewhere, and asks then. */
const hostsFile = "/etc/hosts";
/** Longest such file that we look at, bytes. */
const longestHosts = 4 * 1024 * 1024;

/**
 * Checks that a name server answers, whatever it says. The system's own search for an address cannot be called off, and keeps
 * the process for as long as it takes: 10 s and more where name servers are silent.
 *
 * @param host name or address
 * @param signal ends the check
 * @returns false when no name server has answered by then; true also for a host that none is asked about
 */
export async function canSearch(host: string, signal: AbortSignal): Promise<boolean> {
  if (isIP(host) !== 0 || isLoopback(host) || isInHosts(host)) return true;
  const resolver = new Resolver();
  const cancel = () => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    if (!signal.aborted) await resolver.resolve4(host);
  } catch {
    // An answer too, unless we called it off: the system knows more ways to an address than this one.
  } finally {
    signal.removeEventListener("abort", cancel);
  }
  return !signal.aborted;
}

function isInHosts(host: string): boolean {
  try {
    const names = readPlain(hostsFile, longestHosts).replace(/#.*/g, "").toLowerCase().split(/\s+/);
    return names.includes(host.toLowerCase());
  } catch {
    return false;
  }
}
