import { join } from "node:path";
import { auditTrail } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { beginning, type Link } from "../../../audit/chain.ts";
import { linesAfter, linkOf } from "../../../audit/outbox.ts";
import { ensureFolder, waitForChange } from "../../../platform/files.ts";
import { stopSignal } from "../../../platform/signals.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** How long to watch the folder before it is watched anew, ms. */
const watchMs = 3_600_000;

/**
 * `codemie audit export`. It leaves out lines that are not of the trail's form; `audit verify` reports them. With `--follow`
 * it goes on until it is stopped, and exits 130 or 143.
 */
export const auditExport = (cli: Cli) =>
  command({
    meta: { name: "export", description: "Print the whole trail as JSON lines (with --json: as one array)" },
    examples: ["codemie audit export > trail.jsonl", "codemie audit export --follow"],
    args: {
      follow: { type: "boolean", alias: "f", description: "go on with each line as it is written" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      if (args.follow && args.json) throw commandFailure.endlessDocument();
      if (args.follow) return await follow(cli);
      const entries = await auditTrail(runtime, stores(runtime).vault).entries();
      output.result(entries, () => entries.map((entry) => JSON.stringify(entry)), true);
      return 0;
    },
  });

async function follow({ runtime, output }: Cli): Promise<never> {
  const folder = join(runtime.home, "audit");
  const stop = stopSignal();
  let place: Link = beginning;
  await ensureFolder(folder);
  while (!stop.aborted) {
    await waitForChange(folder, watchMs, async () => {
      const lines = stop.aborted ? [] : await linesAfter(folder, place);
      if (lines.length > 0) output.result(undefined, () => lines.map(({ entry }) => JSON.stringify(entry)), true);
      const last = lines.at(-1);
      if (last) place = linkOf(last);
      return stop.aborted;
    });
  }
  throw stop.reason;
}
