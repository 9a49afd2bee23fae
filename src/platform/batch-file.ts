import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { readUntrusted } from "./foreign-files.ts";

/** The program that a batch file of a package manager runs, and how. */
export interface Shim {
  /** the script or the program, by its absolute path or its path from the batch file's folder */
  readonly target: string;
  /** the flags that Node gets before the script; undefined for a program that runs by itself */
  readonly nodeFlags: readonly string[] | undefined;
}

const setting = /\bset[ \t]+"?([^=\s"]+)=([^"\r\n]*)/gi;
const isNode = /^(?:node(?:\.exe)?|"%_prog%"|"%(?:dp0%|~dp0)\\node\.exe")$/i;
/** `%~dp0` is the batch file's own folder, with a backslash at its end; npm puts it into `%dp0%`. */
const place = /^"(?:%(?:dp0%|~dp0)\\|(?=[a-z]:\\))([^"%]+)"$/i;

/**
 * Reads a batch file that npm, pnpm or Yarn put on PATH for a package's program (cmd-shim, @zkochan/cmd-shim).
 *
 * @param text the whole batch file
 * @returns what it runs; undefined for a batch file that does anything else
 */
export function shimIn(text: string): Shim | undefined {
  for (const [, name = "", value = ""] of text.matchAll(setting)) {
    const isKnown = /^_prog$/i.test(name)
      ? /(?:^|\\)node(?:\.exe)?$/i.test(value)
      : /^(?:dp0|PATHEXT|NODE_PATH)$/i.test(name);
    if (!isKnown) return undefined;
  }
  const lines = text.split(/\r?\n/).map((line) => line.trimEnd());
  const shims = lines.flatMap((line) => (line.endsWith("%*") ? [runBy(line.slice(0, -2))] : []));
  const [first] = shims;
  return first && shims.every((one) => one?.target === first.target) ? first : undefined;
}

/** @param line what stands before `%*`, all arguments */
function runBy(line: string): Shim | undefined {
  const words = line.match(/"[^"]*"|[^\s"]+/g) ?? [];
  const [, target] = place.exec(words.pop() ?? "") ?? [];
  if (target === undefined) return undefined;
  if (words.length === 0 || words.join() === "@")
    return /\.(?:exe|com)$/i.test(target) ? { target, nodeFlags: undefined } : undefined;
  const at = words.findLastIndex((word) => !word.startsWith("-"));
  return isNode.test(words[at] ?? "") ? { target, nodeFlags: words.slice(at + 1) } : undefined;
}

/** @returns true for a name that Windows hands to its command interpreter; it ignores dots and blanks at the end */
export const isBatchFile = (program: string): boolean =>
  process.platform === "win32" && /\.(?:cmd|bat)[. ]*$/i.test(program);

/**
 * @param find finds a program by its name on PATH
 * @returns the command that starts what a batch file runs, without that file; undefined for any other batch file, and no such file
 */
export function behindBatchFile(
  program: string,
  find: (name: string) => string | undefined,
): readonly [string, ...string[]] | undefined {
  if (!isBatchFile(program)) return undefined;
  const shim = shimIn(readUntrusted(program) ?? "");
  if (!shim) return undefined;
  const target = isAbsolute(shim.target) ? shim.target : join(dirname(program), shim.target);
  if (!existsSync(target)) return undefined;
  if (!shim.nodeFlags) return [target];
  const beside = join(dirname(program), "node.exe");
  const node = existsSync(beside) ? beside : find("node");
  return node === undefined || isBatchFile(node) ? undefined : [node, ...shim.nodeFlags, target];
}

/**
 * Windows' command interpreter takes these for its own, in quotes too, and expands variables in between (CVE-2024-1874, "BatBadBut");
 * the runtime refuses most of them. A bracket ends a block of the file where nothing, or the file itself, puts quotes around it.
 */
const interpreted = /["%!^&|<>()\r\n]/;

/** @returns true for an argument that Windows' command interpreter reads as more than that */
export const isMisread = (arg: string): boolean => interpreted.test(arg);
