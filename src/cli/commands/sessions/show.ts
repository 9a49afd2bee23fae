import { printable } from "../../../core/text.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { allRecords, duration, summaryOf } from "./list.ts";

/** `codemie sessions show ID`. With `--payload`, exactly what was or will be sent to the host. */
export const sessionsShow = (cli: Cli) =>
  command({
    meta: { name: "show", description: "Show what was counted of one session, and what of it is sent" },
    examples: ["codemie sessions show 051ae1ae", "codemie sessions show 051ae1ae --payload"],
    args: {
      id: { type: "positional", required: true, description: "the session's id, or how it begins" },
      payload: { type: "boolean", description: "print each metric that was or will be sent, and when" },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      const all = await allRecords(runtime.home);
      const found = all.filter(({ session }) => session.startsWith(args.id));
      const [record] = found;
      if (!record || found.length > 1) throw commandFailure.noSession(args.id, found.length);
      if (args.payload) {
        const payload = record.deltas.map(({ name, attributes, at, sent, refused }) => ({
          url: `${record.facts.api}/v1/metrics`,
          madeAt: new Date(at).toISOString(),
          sentAt: sent === undefined ? null : new Date(sent).toISOString(),
          refused: refused ?? null,
          body: { name, attributes },
        }));
        output.result(payload, () => payload.flatMap((one) => JSON.stringify(one, null, 2).split("\n")));
        return;
      }
      const summary = summaryOf(record);
      output.result(summary, () => {
        const { tokens } = summary;
        const tools = Object.entries(summary.tools).map(([name, { succeeded, failed }]) =>
          failed > 0 ? `${name} ${succeeded + failed} (${failed} failed)` : `${name} ${succeeded}`,
        );
        const rows: [string, string][] = [
          ["session", summary.id],
          ["agent", [summary.agent, summary.agentVersion].filter(Boolean).join(" ")],
          ["status", summary.reason === null ? summary.status : `${summary.status} (${summary.reason})`],
          ["profile", summary.profile],
          ["project", summary.project ?? "-"],
          ["repository", [summary.repository, summary.branch].filter(Boolean).join(", branch ") || "-"],
          ["model", summary.model ?? "-"],
          ["started", summary.startedAt],
          ["time", `${duration(summary.durationMs)}, ${duration(summary.activeMs)} of it at work`],
          ["prompts", String(summary.prompts)],
          ["tools", tools.join(", ") || "-"],
          ["files", `${summary.filesCreated} created, ${summary.filesModified} modified`],
          ["lines", `${summary.linesAdded} added, ${summary.linesRemoved} removed`],
          ["requests", `${summary.requests}, ${tokens.input} tokens in, ${tokens.output} out (not sent)`],
          ["metrics", `${record.deltas.length}, ${summary.waiting} of them still to be sent`],
        ];
        return rows.map(([name, value]) => `${output.paint("dim", name.padEnd(10))}  ${printable(value, 400)}`);
      });
    },
  });
