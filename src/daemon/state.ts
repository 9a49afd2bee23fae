import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { CodemieError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { readIfPresent, removeFile, removeLeftovers, replaceFile } from "../platform/files.ts";
import { isLocked, withLock } from "../platform/lock.ts";
import { checkBaseFolder } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { daemonFailure } from "./failures.ts";

/** What a gateway that runs on its own writes down for `proxy status` and `proxy stop`. */
const gatewayState = z.object({
  profile: z.string(),
  /** origin it forwards to */
  host: z.string(),
  url: z.string(),
  /** the gateway's own key, worth something only while it runs */
  key: z.string(),
  pid: z.number().int().positive(),
  /** ISO 8601 */
  startedAt: z.string(),
  /** model the printed lines name */
  model: z.string(),
  /** seconds its streams get to end when it is asked to stop */
  drainSeconds: z.number(),
});
export type GatewayState = z.infer<typeof gatewayState>;

/** @returns a profile's name as a part of a file's: a configuration of the existing CLI may call a profile anything */
export const fileNameOf = (profile: string): string => encodeURIComponent(profile);

/** How long a gateway may take to say how it is, ms. */
const askMs = 2_000;

/** @returns what a gateway says of itself to who has its key, or undefined when it does not answer */
export async function countsOf(
  { fetch }: Runtime,
  { url, key }: GatewayState,
): Promise<{ forwarded: number; denied: number } | undefined> {
  try {
    const headers = { authorization: `Bearer ${key}` };
    const answer = await fetch(`${url}/ready`, { headers, signal: AbortSignal.timeout(askMs) });
    const { forwarded, denied } = (await answer.json()) as Record<string, unknown>;
    if (typeof forwarded !== "number" || typeof denied !== "number") return undefined;
    return { forwarded, denied };
  } catch {
    return undefined;
  }
}

/** How long a start waits for a gateway that is just ending, or a look for a start, ms. */
const lookMs = 500;

const named = (profile: string) => `the gateway of profile ${profile}`;

/**
 * The state files of gateways that run on their own, one per profile. A gateway holds its file's lock for as long as it
 * lives, so a file whose lock is free is what a killed one left behind, whoever has its process number now.
 */
export class ProxyStates {
  readonly #home: string;
  readonly #run: string;

  /** @param home base folder of all our files */
  constructor(home: string) {
    this.#home = home;
    this.#run = join(home, "run");
  }

  /**
   * Runs a gateway while its profile's lock is held.
   *
   * @param work is given the function that writes the state down
   * @throws `failed` when a gateway of this profile runs already, `disk`, whatever `work` throws
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
      const state = await this.#read(profile);
      throw daemonFailure.running(profile, state?.url);
    }
  }

  /** @returns the gateway of a profile, or undefined when none runs; what a killed one left is removed */
  async running(profile: string): Promise<GatewayState | undefined> {
    if (!(await this.#read(profile))) return undefined;
    const isLeft =
      !(await isLocked(this.#lock(profile))) &&
      (await this.#ifFree(profile, lookMs, () => removeFile(this.#file(profile))));
    return isLeft ? undefined : await this.#read(profile);
  }

  /**
   * Waits until a profile's gateway has ended.
   *
   * @param patienceMs how long, ms
   * @returns false when it has not
   */
  async ended(profile: string, patienceMs: number): Promise<boolean> {
    return await this.#ifFree(profile, patienceMs, async () => undefined);
  }

  /** @returns every gateway that runs */
  async all(): Promise<GatewayState[]> {
    const names = await readdir(this.#run).catch(() => []);
    const found: GatewayState[] = [];
    for (const name of names.sort()) {
      if (!/^proxy-.+\.json$/.test(name)) continue;
      const said = await this.#readFile(join(this.#run, name));
      const state = said && this.#file(said.profile) === join(this.#run, name) && (await this.running(said.profile));
      if (state) found.push(state);
    }
    return found;
  }

  /** @returns whether the lock was free within that time, and `work` ran under it */
  async #ifFree(profile: string, patienceMs: number, work: () => Promise<void>): Promise<boolean> {
    try {
      await withLock(this.#lock(profile), named(profile), work, patienceMs);
      return true;
    } catch (error) {
      if (error instanceof CodemieError && error.code === "vault_locked") return false;
      throw error;
    }
  }

  async #read(profile: string): Promise<GatewayState | undefined> {
    checkBaseFolder(this.#home, () => undefined);
    return await this.#readFile(this.#file(profile));
  }

  async #readFile(file: string): Promise<GatewayState | undefined> {
    return parseJson((await readIfPresent(file)) ?? "", gatewayState);
  }

  #file(profile: string): string {
    return join(this.#run, `proxy-${fileNameOf(profile)}.json`);
  }

  #lock(profile: string): string {
    return join(this.#run, `proxy-${fileNameOf(profile)}.lock`);
  }
}
