import { auditTrail } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie audit export`. It leaves out lines that are not of the trail's form; `audit verify` reports them. */
export const auditExport = (cli: Cli) =>
  command({
    meta: { name: "export", description: "Print the whole trail as JSON lines (with --json: as one array)" },
    examples: ["codemie audit export > trail.jsonl"],
    args: {},
    async run() {
      const { runtime, output } = cli;
      const entries = await auditTrail(runtime, stores(runtime).vault).entries();
      output.result(entries, () => entries.map((entry) => JSON.stringify(entry)), true);
    },
  });
