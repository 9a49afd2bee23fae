import { resolve } from "node:path";
import { auditKey, auditTrail } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { auditFailure } from "../../../audit/failures.ts";
import { readNamedText } from "../../../platform/foreign-files.ts";
import type { Vault } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

/** Longest file of a receiver, bytes: some 700,000 lines. */
const longestFile = 256 * 1024 * 1024;

/** `codemie audit verify`. A broken trail exits 1, with the place in the message. */
export const auditVerify = (cli: Cli) =>
  command({
    meta: { name: "verify", description: "Check that no line of the trail was changed, removed or added" },
    examples: ["codemie audit verify", "codemie audit verify --from received.log"],
    args: {
      from: {
        type: "string",
        valueHint: "FILE",
        description: "check what the receiver of auditForward wrote: JSON lines, syslog, or OTLP as JSON",
      },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const { vault } = stores(runtime);
      if (args.from !== undefined) return await verifyReceived(cli, vault, resolve(runtime.cwd, args.from));
      const verdict = await auditTrail(runtime, vault).verify();
      if ("unread" in verdict) throw auditFailure.unread(verdict.unread);
      if (!verdict.ok) throw auditFailure.broken(verdict.file, verdict.line, verdict.why);
      const { entries } = verdict;
      output.result({ ok: true, entries }, () => [
        `${output.paint("good", "✓")} the trail is whole: ${entries} ${entries === 1 ? "line" : "lines"}`,
      ]);
    },
  });

async function verifyReceived({ runtime, output }: Cli, vault: Vault, file: string): Promise<void> {
  const key = await auditKey(vault);
  if (key === undefined) throw commandFailure.noTrailKey();
  const text = await readNamedText(file, longestFile);
  if (text === undefined) throw commandFailure.noReceivedFile(file);
  const { judgeReceived } = await import("../../../audit/received.ts");
  const own = await auditTrail(runtime, vault).entries();
  const verdict = judgeReceived(text, key, (seq) => own.find((one) => one.seq === seq)?.mac);
  if (!verdict.ok) {
    if ("isEmpty" in verdict) throw commandFailure.noLinesReceived(file);
    throw auditFailure.receivedBroken(file, verdict.line, verdict.why);
  }
  const { first, last, repeats, isFirstProven } = verdict;
  const here = own.at(-1)?.seq ?? 0;
  output.result({ ...verdict, here }, () => [
    `${output.paint("good", "✓")} ${first === last ? `line ${first} is` : `lines ${first} to ${last} are`} as written${repeats > 0 ? `; ${repeats} came again` : ""}`,
  ]);
  if (!isFirstProven)
    output.say.info(`nothing proves line ${first} itself: this machine has no longer the line before it`);
  if (here > last) output.say.info(`the trail of this machine goes on to line ${here}`);
  if (here < last) output.say.warn(`the trail of this machine ends at line ${here}: it lacks what the receiver has`);
}
