import { join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../core/json.ts";
import { isVersion } from "../core/version.ts";
import { ensureFolder, replaceFile } from "../platform/files.ts";
import { readOwn } from "../platform/private.ts";
import type { Runtime } from "../platform/runtime.ts";
import { Releases, releasesBase } from "./releases.ts";

/** What the server said last, or `null` when it has been asked and has not answered. */
const remembered = z.object({ base: z.string(), askedAt: z.number(), latest: z.nullable(z.string()) });

/** A server is asked once in this time, ms. */
const dayMs = 86_400_000;

/**
 * Asks which version is the latest, at most once a day. The request holds nothing of this machine.
 *
 * @param stop ends the request, which then counts as asked
 * @returns the version; undefined when nothing says where the releases are, or when nobody answers, or did today
 * @throws usage error as {@link releasesBase}; `disk`, `vault_unreadable` when the answer cannot be kept: then nobody is asked
 */
export async function latestVersion(
  { home, env, fetch, now }: Runtime,
  stop: AbortSignal,
): Promise<string | undefined> {
  const base = releasesBase(env);
  if (base === undefined) return undefined;
  const file = join(home, "run", "latest-version.json");
  const known = parseJson(readOwn(file) ?? "", remembered);
  const isToday = known?.base === base && now() >= known.askedAt && now() - known.askedAt < dayMs;
  if (isToday) return known.latest !== null && isVersion(known.latest) ? known.latest : undefined;
  await ensureFolder(join(home, "run"));
  const keep = (latest: string | null) =>
    replaceFile(file, `${JSON.stringify({ base, askedAt: now(), latest })}\n`, false);
  const before = known?.base === base && known.latest !== null && isVersion(known.latest) ? known.latest : undefined;
  // First, so that a server that does not answer is not asked again at each turn.
  await keep(before ?? null);
  const latest = await new Releases(base, fetch, stop).latest().catch(() => undefined);
  if (latest !== undefined) await keep(latest);
  return latest ?? before;
}
