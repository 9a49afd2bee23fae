import type { ArgDef, ArgsDef } from "citty";
import { type Cli, type Command, commonArgs } from "./command.ts";
import { agentSummaries } from "./tree.ts";
import { versionLine } from "./version.ts";

/**
 * @param path the command as typed, for example `codemie profile login`
 * @returns its help: what it does, how it is called, its flags, examples
 */
export async function helpFor(cli: Cli, path: string, command: Command): Promise<string> {
  const paint = (shade: "accent" | "bold" | "dim", text: string) => cli.output.paint(shade, text);
  const meta = command.meta as { description?: string } | undefined;
  const lines = [meta?.description ?? "", ""];
  const heading = (text: string) => paint("bold", text);
  const entries = (pairs: [string, string][]) => {
    const width = Math.max(...pairs.map(([left]) => left.length));
    return pairs.map(([left, right]) => `  ${paint("accent", left.padEnd(width))}  ${right}`.trimEnd());
  };

  if (command.subCommands) {
    lines.push(heading("Usage"), `  ${path} <command> [flags]`, "", heading("Commands"));
    const pairs: [string, string][] = [];
    for (const [name, load] of Object.entries(command.subCommands)) {
      const child = (await load())(cli).meta as { description?: string } | undefined;
      pairs.push([name, child?.description ?? ""]);
    }
    if (path === "codemie") pairs.push(...Object.entries(agentSummaries));
    lines.push(...entries(pairs), "");
    const version: [string, string][] = path === "codemie" ? [["    --version", "show the version"]] : [];
    lines.push(heading("Flags"), ...entries([...flags(commonArgs), ...version]));
  } else {
    const words = Object.entries((command.args ?? {}) as ArgsDef).filter(([, def]) => def.type === "positional");
    const usage = [path, ...words.map(([name]) => name.toUpperCase()), "[flags]"].join(" ");
    lines.push(heading("Usage"), `  ${usage}`, "", heading("Flags"));
    lines.push(...entries(flags({ ...(command.args as ArgsDef | undefined), ...commonArgs })));
  }
  if (command.examples?.length) {
    lines.push("", heading("Examples"), ...command.examples.map((example) => `  ${example}`));
  }
  if (path === "codemie") lines.push("", paint("dim", versionLine));
  return `${lines.join("\n")}\n`;
}

function flags(args: ArgsDef): [string, string][] {
  const named = Object.entries(args).filter(([, def]) => def.type !== "positional");
  return named.map(([name, def]: [string, ArgDef]) => {
    const short = "alias" in def && typeof def.alias === "string" ? `-${def.alias}, ` : "    ";
    const negative = def.type === "boolean" && def.default === true;
    const hint = def.type === "string" ? ` ${def.valueHint ?? "VALUE"}` : "";
    const about = negative && "negativeDescription" in def ? def.negativeDescription : def.description;
    const standard = def.type === "string" && def.default !== undefined ? ` (default ${def.default})` : "";
    return [`${short}--${negative ? "no-" : ""}${name}${hint}`, `${about ?? ""}${standard}`];
  });
}
