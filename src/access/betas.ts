import { join } from "node:path";
import * as z from "zod/mini";
import { hashOf } from "../core/crypto.ts";
import type { Host } from "../core/host.ts";
import { parseJson } from "../core/json.ts";
import { isPlainName } from "../core/text.ts";
import { ensureFolder, replaceFile } from "../platform/files.ts";
import { readOwn } from "../platform/private.ts";
import type { Profile } from "../profiles/config.ts";

const remembered = z.object({
  betas: z.array(z.string().check(z.refine(isPlainName))).check(z.maxLength(20)),
  /** ms since the epoch */
  at: z.number().check(z.gte(0), z.lte(8.64e15)),
});

/** The betas that a host refused, and when, ms since the epoch. */
export type RefusedBetas = z.infer<typeof remembered>;

/** The file that keeps what a host refused. It holds no secret and may be lost: then betas are tried once more. */
const fileOf = (home: string, { api }: Host) =>
  join(home, "run", `betas-${hashOf("sha256", api).toString("hex").slice(0, 16)}.json`);

/** Keeps what the host refused, for the runs to come, if the home can be written. Never throws. */
export async function rememberRefusal(home: string, host: Host, refusal: RefusedBetas): Promise<void> {
  try {
    await ensureFolder(join(home, "run"));
    await replaceFile(fileOf(home, host), JSON.stringify(refusal));
  } catch {
    // the next run is refused as this one was
  }
}

/**
 * @param home base folder of all our files
 * @returns the betas that the host refused in an earlier run; undefined for none
 * @throws `vault_unreadable` when the file is not ours
 */
export function recalledRefusal(home: string, host: Host): RefusedBetas | undefined {
  const text = readOwn(fileOf(home, host));
  return text === undefined ? undefined : parseJson(text, remembered);
}

/**
 * Decides whether agents ask a host for betas: as the profile sets it, else until the host refuses one.
 *
 * @returns whether they do, and the refusal that decided it
 * @throws as {@link recalledRefusal}
 */
export function betasFor(
  home: string,
  host: Host,
  { betas = "auto" }: Profile,
): { on: boolean; refused?: RefusedBetas } {
  if (betas !== "auto") return { on: betas === "on" };
  const refused = recalledRefusal(home, host);
  return refused ? { on: false, refused } : { on: true };
}
