import { createHash } from "node:crypto";
import { join } from "node:path";
import { z } from "zod";
import type { Model } from "../api/schemas.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder, readIfPresent, replaceFile } from "../platform/files.ts";
import type { Whose } from "./given.ts";

/** The parts of it that a list of models depends on. */
type WhoseModels = Pick<Whose, "name" | "host">;

/** What of a model is worth recalling. */
const recalled = z.array(z.object({ id: z.string(), label: z.string() }));

/** Where the models of a profile at its host are kept: no secret, and nothing is lost with it. */
function fileOf(home: string, { name, host }: WhoseModels): string {
  const id = createHash("sha256").update(`${name}\n${host.value.api}`).digest("hex").slice(0, 16);
  return join(home, "run", `models-${id}.json`);
}

/** Keeps a list of models for the shell's completion. Where nothing can be written, nothing is kept. */
export async function recallModels(home: string, whose: WhoseModels, models: readonly Model[]): Promise<void> {
  try {
    await ensureFolder(join(home, "run"));
    await replaceFile(fileOf(home, whose), JSON.stringify(models.map(({ id, label }) => ({ id, label }))));
  } catch {
    // a convenience that a read-only home goes without
  }
}

/** @returns the models as they were last listed, none when they never were */
export async function recalledModels(home: string, whose: WhoseModels): Promise<z.infer<typeof recalled>> {
  const text = await readIfPresent(fileOf(home, whose));
  return (text === undefined ? undefined : parseJson(text, recalled)) ?? [];
}
