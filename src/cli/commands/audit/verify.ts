import { auditTrail } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { auditFailure } from "../../../audit/failures.ts";
import { type Cli, command } from "../../frame/command.ts";

/** `codemie audit verify`. A broken trail exits 1, with the place in the message. */
export const auditVerify = (cli: Cli) =>
  command({
    meta: { name: "verify", description: "Check that no line of the trail was changed, removed or added" },
    examples: ["codemie audit verify"],
    args: {},
    async run() {
      const { runtime, output } = cli;
      const verdict = await auditTrail(runtime, stores(runtime).vault).verify();
      if ("unread" in verdict) throw auditFailure.unread(verdict.unread);
      if (!verdict.ok) throw auditFailure.broken(verdict.file, verdict.line, verdict.why);
      const { entries } = verdict;
      output.result({ ok: true, entries }, () => [
        `${output.paint("good", "✓")} the trail is whole: ${entries} ${entries === 1 ? "line" : "lines"}`,
      ]);
    },
  });
