import { endOfLease } from "../../../access/given.ts";
import { type ShownRun, shownRunOf } from "../../../agents/status-line.ts";
import { printable } from "../../../core/text.ts";
import type { LoginTold } from "../../../gateway/gateway.ts";
import { replaceFile } from "../../../platform/files.ts";

/**
 * @param folder the private folder of the run
 * @returns what keeps the file for the status line of a run, and rewrites it when the login is another. A file that cannot be
 *   written shows nothing new, and ends no run
 */
export function statusOf(folder: string, profile: string, model: string | undefined): LoginTold {
  let said = "";
  let work: Promise<void> = Promise.resolve();
  return (ended, lease) => {
    const run: ShownRun = {
      profile: printable(profile, 60),
      model: model && printable(model, 80),
      end: lease && endOfLease(lease),
      isEstimate: lease?.login?.method === "sso" || undefined,
      isOver: ended !== undefined || undefined,
    };
    const text = JSON.stringify(run);
    if (text === said) return;
    said = text;
    work = work.then(() => replaceFile(shownRunOf(folder), text, false)).catch(() => undefined);
  };
}
