import { auditTrail } from "../../../access/audit.ts";
import { stores } from "../../../access/stores.ts";
import { auditEvents } from "../../../audit/events.ts";
import { printable } from "../../../core/text.ts";
import { cliFailure } from "../../failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { narrow, without } from "../../frame/output.ts";
import { commandFailure } from "../failures.ts";

/** How many events a person sees unless `--last` or `--since` says otherwise. */
const usualLast = 20;
const dayMs = 86_400_000;

/** Reads a day or moment, also `today`, `yesterday`, or `3 days ago`, by UTC as the list shows it. @returns ms, or NaN */
function momentOf(text: string, nowMs: number): number {
  const today = Math.floor(nowMs / dayMs) * dayMs;
  const typed = text.trim().toLowerCase();
  if (typed === "today") return today;
  if (typed === "yesterday") return today - dayMs;
  const [, count, unit] = /^(\d{1,4}) ?(d|days?|h|hours?)(?: ago)?$/.exec(typed) ?? [];
  if (count === undefined) return Date.parse(text);
  return unit?.startsWith("d") ? today - Number(count) * dayMs : nowMs - Number(count) * 3_600_000;
}

/** `codemie audit list`. The filters combine; `--last` counts what the others leave. */
export const auditList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "Show what was done with your logins" },
    examples: [
      "codemie audit list",
      "codemie audit list --event login --last 5",
      "codemie audit list --since yesterday",
    ],
    args: {
      event: { type: "string", valueHint: "EVENT", description: `only these: ${Object.keys(auditEvents).join(", ")}` },
      profile: { type: "string", valueHint: "NAME", description: "only this profile" },
      since: {
        type: "string",
        valueHint: "DATE",
        description: "only from this day or moment on: 2026-11-01, yesterday, 3d, 12h",
      },
      last: { type: "string", valueHint: "N", description: `only the last N (default ${usualLast} for a person)` },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      if (args.event !== undefined && !Object.hasOwn(auditEvents, args.event)) {
        throw cliFailure.noSuch("event", args.event, Object.keys(auditEvents));
      }
      const since = args.since === undefined ? 0 : momentOf(args.since, runtime.now());
      if (Number.isNaN(since)) throw commandFailure.notADate(args.since ?? "");
      // A script gets everything; a person looks for what was done lately.
      const isShort = args.last === undefined && args.since === undefined && !output.json;
      const last = isShort ? usualLast : args.last === undefined ? Number.POSITIVE_INFINITY : Number(args.last);
      if (!(last > 0)) throw commandFailure.notACount(args.last ?? "");
      const all = await auditTrail(runtime, stores(runtime).vault).entries();
      const found = all.filter(
        (entry) =>
          (args.event === undefined || entry.event === args.event) &&
          (args.profile === undefined || entry.profile === args.profile) &&
          Date.parse(entry.time) >= since,
      );
      const shown = found.slice(-Math.min(last, found.length));
      output.result(found.length === 0 ? [] : shown, () =>
        found.length === 0
          ? ["no events"]
          : output.table(
              [
                ["TIME", "EVENT", "OUTCOME", "PROFILE", "HOST", "ACTOR", "DETAIL"],
                ...shown.map((entry) => [
                  entry.time.slice(0, 19).replace("T", " "),
                  entry.event,
                  entry.outcome,
                  printable(entry.profile),
                  printable(entry.host),
                  printable(entry.actor),
                  printable(
                    Object.entries(entry.detail)
                      .map(([name, value]) => `${name}=${value}`)
                      .join(" "),
                  ),
                ]),
              ],
              [
                without("ACTOR"),
                without("HOST"),
                narrow("DETAIL", 14),
                without("PROFILE"),
                narrow("DETAIL", 8),
                without("DETAIL"),
              ],
            ),
      );
      if (isShort && shown.length < found.length)
        output.say.info(`the last ${shown.length} of ${found.length} events; --last ${found.length} shows all`);
    },
  });
