import { join } from "node:path";
import { printable } from "../../core/text.ts";
import { pause } from "../../core/time.ts";
import { namesIn, stampOf } from "../../platform/files.ts";
import { readOwn } from "../../platform/private.ts";
import { stopSignal } from "../../platform/signals.ts";
import { type Cli, command } from "../frame/command.ts";
import { commandFailure } from "./failures.ts";

/** How many lines of each log to show unless `--last` says otherwise. */
const standardLast = 50;
/** How often to look for new lines, ms. */
const lookMs = 250;

/** `codemie logs`: what bridges, gateways and the counting of sessions wrote. With `--follow` it goes on until it is stopped, and exits 130. */
export const logs = (cli: Cli) =>
  command({
    meta: { name: "logs", description: "Show what bridges, gateways and session counting wrote down" },
    examples: ["codemie logs", "codemie logs --follow", "codemie logs --last 10 --json"],
    args: {
      follow: { type: "boolean", alias: "f", description: "go on with what is written from now on" },
      last: { type: "string", valueHint: "N", description: `only the last N of each log (default ${standardLast})` },
    },
    async run({ args }) {
      const { runtime, output } = cli;
      if (args.follow && args.json) throw commandFailure.endlessDocument();
      const last = args.last === undefined ? standardLast : Number(args.last);
      if (!(last > 0)) throw commandFailure.notACount(args.last ?? "");
      const folder = join(runtime.home, "logs");
      const found = (await sourcesIn(folder)).map((source) => ({ source, text: textOf(source) }));
      const lines = found.flatMap(({ source, text }) => linesOf(source, text).slice(-last));
      output.result(lines, () =>
        lines.length > 0
          ? lines.map(shown)
          : ["nothing is written yet: bridges, detached gateways and session counting write here"],
      );
      if (!args.follow) return 0;
      const stop = stopSignal();
      const seen = new Map(found.map(({ source, text }) => [source.file, { stamp: "", length: text.length }]));
      while (!stop.aborted) {
        for (const source of await sourcesIn(folder)) {
          const { file } = source;
          const before = seen.get(file) ?? { stamp: "", length: 0 };
          const stamp = await stampOf(file);
          if (stamp === before.stamp) continue;
          const text = textOf(source);
          const isAnew = text.length < before.length;
          // The rotation moved the lines before it into the next file.
          const rest = isAnew ? textOf({ ...source, file: `${file}.1` }).slice(before.length) : "";
          const more = rest + text.slice(isAnew ? 0 : before.length);
          const end = more.lastIndexOf("\n") + 1; // the rest of a line may still come
          for (const line of linesOf(source, more.slice(0, end))) output.progress(shown(line));
          seen.set(file, { stamp, length: text.length - (more.length - end) });
        }
        await pause(lookMs, stop);
      }
      return 130;
    },
  });

/** A log, and who writes it. */
interface Source {
  readonly file: string;
  readonly from: "bridge" | "gateway" | "sessions";
  /** the profile of a gateway, as its file's name has it */
  readonly name: string | null;
}

async function sourcesIn(folder: string): Promise<Source[]> {
  return (await namesIn(folder)).flatMap((name): Source[] => {
    const file = join(folder, name);
    if (name === "mcp-proxy.log") return [{ file, from: "bridge", name: null }];
    if (name === "codemie.log") return [{ file, from: "sessions", name: null }];
    const profile = /^proxy-(.+)\.log$/.exec(name)?.[1];
    return profile === undefined ? [] : [{ file, from: "gateway", name: profile }];
  });
}

const textOf = ({ file }: Source) => readOwn(file, { isAppended: true }) ?? "";

function linesOf({ from, name }: Source, text: string) {
  const lines = text.split("\n").filter(Boolean);
  return lines.map((line) => ({ from, profile: name, line: printable(line, Number.POSITIVE_INFINITY) }));
}

const shown = ({ from, profile, line }: ReturnType<typeof linesOf>[number]) =>
  `${profile === null ? from : `${from} ${printable(profile, 64)}`}  ${line}`;
