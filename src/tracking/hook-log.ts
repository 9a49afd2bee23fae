import { isAbsolute } from "node:path";
import { systemCode } from "../core/errors.ts";
import { LogFile } from "../platform/log-file.ts";

/**
 * Writes down why a hook could not note an event: the system's code alone, since a message may hold what was said.
 *
 * @param home base folder of all our files
 */
export async function logHookFailure(home: string, error: unknown): Promise<void> {
  if (!isAbsolute(home)) return;
  const code = systemCode(error) || (error instanceof Error ? error.name : "unknown error");
  const log = new LogFile(home, "codemie.log");
  log.write(`${new Date().toISOString()} hook: an event was not noted (${code})`);
  await log.flushed();
}
