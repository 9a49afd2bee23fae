import { join } from "node:path";
import * as z from "zod/mini";
import { CodemieError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { textUpTo } from "../platform/body.ts";
import { namesIn, removeFile, removeLeftovers, replaceFile } from "../platform/files.ts";
import { isLocked, withLock } from "../platform/lock.ts";
import { readOwn } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { daemonFailure } from "./failures.ts";

/** The state file of a gateway that runs on its own, for `proxy status` and `proxy stop`. */
const gatewayState = z.object({
  profile: z.string(),
  /** origin that it forwards to */
  host: z.string(),
  url: z.string(),
  /** the gateway's own key, useless once it has ended */
  key: z.string(),
  /** what comes before the percent-encoded address of an MCP server; holds the relay's key */
  relay: z.optional(z.string()),
  pid: z.int().check(z.positive()),
  /** ISO 8601 */
  startedAt: z.string(),
  /** model for the lines that `proxy start` and `proxy status` print */
  model: z.string(),
  /** time for its streams to end when it stops, seconds */
  drainSeconds: z.number(),
});
export type GatewayState = z.infer<typeof gatewayState>;

/** @returns a profile's name as part of a file name: the existing CLI allows any text as a profile's name */
export const fileNameOf = (profile: string): string => encodeURIComponent(profile);

/** How long a gateway may take to report its counts, ms. */
const askMs = 2_000;
/** Longest answer with them, bytes. */
const countsBytes = 10_000;

/**
 * @returns how many requests a running gateway forwarded and denied; undefined when it does not answer. Never throws
 */
export async function countsOf(
  { fetch }: Runtime,
  { url, key }: GatewayState,
): Promise<{ forwarded: number; denied: number } | undefined> {
  try {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(`${url}/ready`, { headers, signal: AbortSignal.timeout(askMs) });
    const text = await textUpTo(answer, countsBytes, () => new Error("this is no gateway of ours"));
    const { forwarded, denied } = JSON.parse(text) as Record<string, unknown>;
    if (typeof forwarded !== "number" || typeof denied !== "number") return undefined;
    return { forwarded, denied };
  } catch {
    return undefined;
  }
}

/** How long a start waits for a gateway that is ending, and a check of the lock for one that is starting, ms. */
const lookMs = 500;

const named = (profile: string) => `the gateway of profile ${profile}`;

/**
 * The state files of gateways that run on their own, one per profile. A gateway holds the lock of its file while it
 * runs. If that lock is free, a killed gateway left the file behind, even if its process number is in use again.
 */
export class ProxyStates {
  readonly #run: string;

  /** @param home base folder of all our files */
  constructor(home: string) {
    this.#run = join(home, "run");
  }

  /**
   * Runs `work`, which runs a gateway, under the profile's lock; removes the state file afterwards.
   *
   * @param work gets the function that writes the state file
   * @returns what `work` returned
   * @throws `failed` when a gateway of this profile runs already; `disk`; what `work` throws
   */
  async holding<T>(profile: string, work: (write: (state: GatewayState) => Promise<void>) => Promise<T>): Promise<T> {
    const file = this.#file(profile);
    let held = false;
    const whileHeld = async () => {
      held = true;
      await removeLeftovers(file);
      await removeFile(file);
      try {
        return await work((state) => replaceFile(file, `${JSON.stringify(state)}\n`));
      } finally {
        await removeFile(file);
      }
    };
    try {
      return await withLock(this.#lock(profile), named(profile), whileHeld, lookMs);
    } catch (error) {
      if (held || !(error instanceof CodemieError) || error.code !== "vault_locked") throw error;
      const state = this.#read(profile);
      throw daemonFailure.running(profile, state?.url);
    }
  }

  /** @returns the running gateway of a profile, or undefined; removes the state file that a killed one left */
  async running(profile: string): Promise<GatewayState | undefined> {
    if (!this.#read(profile)) return undefined;
    const isLeft =
      !(await isLocked(this.#lock(profile))) &&
      (await this.#ifFree(profile, lookMs, () => removeFile(this.#file(profile))));
    return isLeft ? undefined : this.#read(profile);
  }

  /**
   * Waits until a profile's gateway has ended.
   *
   * @param patienceMs how long to wait, ms
   * @returns false when it still runs
   */
  async ended(profile: string, patienceMs: number): Promise<boolean> {
    return await this.#ifFree(profile, patienceMs, async () => undefined);
  }

  /** @returns all running gateways, by file name */
  async all(): Promise<GatewayState[]> {
    const found: GatewayState[] = [];
    for (const name of await namesIn(this.#run)) {
      if (!/^proxy-.+\.json$/.test(name)) continue;
      const said = this.#readFile(join(this.#run, name));
      const state = said && this.#file(said.profile) === join(this.#run, name) && (await this.running(said.profile));
      if (state) found.push(state);
    }
    return found;
  }

  /**
   * @param profile whose gateway; undefined: the only one that runs
   * @returns the running gateway
   * @throws `failed` when none runs; usage error when several do
   */
  async oneRunning(profile: string | undefined): Promise<GatewayState> {
    const running = await this.all();
    const found = profile === undefined ? running : running.filter((one) => one.profile === profile);
    const [state] = found;
    const names = found.map((one) => one.profile);
    if (!state) throw daemonFailure.notRunning(profile);
    if (found.length > 1) throw daemonFailure.which(names, false);
    return state;
  }

  /** Runs `work` if the lock becomes free within that time. @returns whether it did */
  async #ifFree(profile: string, patienceMs: number, work: () => Promise<void>): Promise<boolean> {
    try {
      await withLock(this.#lock(profile), named(profile), work, patienceMs);
      return true;
    } catch (error) {
      if (error instanceof CodemieError && error.code === "vault_locked") return false;
      throw error;
    }
  }

  #read(profile: string): GatewayState | undefined {
    return this.#readFile(this.#file(profile));
  }

  #readFile(file: string): GatewayState | undefined {
    return parseJson(readOwn(file) ?? "", gatewayState);
  }

  #file(profile: string): string {
    return join(this.#run, `proxy-${fileNameOf(profile)}.json`);
  }

  #lock(profile: string): string {
    return join(this.#run, `proxy-${fileNameOf(profile)}.lock`);
  }
}
