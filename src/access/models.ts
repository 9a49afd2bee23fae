import { join } from "node:path";
import * as z from "zod/mini";
import type { Model } from "../api/schemas.ts";
import { hashOf } from "../core/crypto.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder, replaceFile } from "../platform/files.ts";
import { readOwn } from "../platform/private.ts";
import type { Whose } from "./given.ts";

/** The parts of {@link Whose} that a list of models depends on. */
type WhoseModels = Pick<Whose, "name" | "host">;

/** The members of a model that are kept. */
const recalled = z.array(z.object({ id: z.string(), label: z.string() }));

/** The file that keeps the models of a profile at its host. It holds no secret and may be lost. */
function fileOf(home: string, { name, host }: WhoseModels): string {
  const id = hashOf("sha256", `${name}\n${host.value.api}`).toString("hex").slice(0, 16);
  return join(home, "run", `models-${id}.json`);
}

/** Keeps a list of models for the shell's completion, if the home can be written. Never throws. */
export async function recallModels(home: string, whose: WhoseModels, models: readonly Model[]): Promise<void> {
  try {
    await ensureFolder(join(home, "run"));
    await replaceFile(fileOf(home, whose), JSON.stringify(models.map(({ id, label }) => ({ id, label }))), false);
  } catch {
    // a convenience; a read-only home does without it
  }
}

/** @returns the models as last listed; an empty list when there is none */
export async function recalledModels(home: string, whose: WhoseModels): Promise<z.infer<typeof recalled>> {
  const text = readOwn(fileOf(home, whose));
  return (text === undefined ? undefined : parseJson(text, recalled)) ?? [];
}
