import { basename, dirname, join, parse, resolve } from "node:path";
import { headerSafe } from "../core/text.ts";
import { readUntrusted } from "../platform/foreign-files.ts";
import { stateOf } from "../platform/path-state.ts";

/** The repository and branch that an agent works in, for the platform's usage statistics (CodeMie fact 5.3). */
export interface Repository {
  /** `owner/name` of the remote, else `parent/folder` */
  readonly name: string | undefined;
  /** undefined outside of a repository, and when the head is detached */
  readonly branch: string | undefined;
}

/** Longest name of a repository, characters: it goes into a header. */
const longestName = 250;

/**
 * Reads git's files and does not run git, which a repository's own configuration can make run other programs.
 *
 * @param cwd current directory
 * @returns name and branch, safe to send as headers
 */
export async function readRepository(cwd: string): Promise<Repository> {
  const top = await findTop(cwd);
  const folder = top ?? cwd;
  const fallback = `${basename(dirname(folder))}/${basename(folder)}`;
  if (!top) return { name: headerSafe(fallback), branch: undefined };
  const gitFolder = gitFolderOf(top);
  const head = readWithin(top, join(gitFolder, "HEAD"));
  const common = readWithin(top, join(gitFolder, "commondir"))?.trim();
  const settings = readWithin(top, join(common ? resolve(gitFolder, common) : gitFolder, "config"));
  return {
    name: headerSafe(remoteName(settings ?? "") ?? fallback),
    branch: headerSafe(/^ref: refs\/heads\/(.{1,250})$/m.exec(head ?? "")?.[1]),
  };
}

/** @returns the folder of the repository that a folder lies in; undefined when it lies in none */
export async function findTop(cwd: string): Promise<string | undefined> {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (await stateOf(join(folder, ".git")).catch(() => undefined)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** @returns the text of a file of the repository; undefined when it is not there, or {@link leadsToMachine} */
const readWithin = (top: string, file: string): string | undefined =>
  leadsToMachine(file, top) ? undefined : readUntrusted(file);

/**
 * In Windows a path may name another machine, or a device, and whoever opens it sends that machine the person's proof of identity. A
 * repository that was unpacked may say so in `gitdir:` and `commondir`.
 *
 * @param parts `path.parse` of the system
 * @returns true for a path on another machine than the repository's own
 */
export function leadsToMachine(path: string, top: string, parts: typeof parse = parse): boolean {
  const root = (of: string) => parts(of).root.toLowerCase().replaceAll("/", "\\");
  return root(path).startsWith("\\\\") && root(path) !== root(top);
}

/** In a linked work tree or a submodule `.git` is a file that names the folder. */
function gitFolderOf(top: string): string {
  const linked = /^gitdir: (.+)$/m.exec(readUntrusted(join(top, ".git")) ?? "")?.[1];
  return linked ? resolve(top, linked) : join(top, ".git");
}

/**
 * Looks at one line after the other: a file that a stranger wrote may be made to keep an expression over all of it busy.
 *
 * @returns `owner/name` from the URL of `origin` in git's settings
 */
function remoteName(settings: string): string | undefined {
  let isOrigin = false;
  for (const line of settings.split("\n").map((one) => one.trim())) {
    if (line.startsWith("[")) isOrigin = line === '[remote "origin"]';
    const at = line.indexOf("=");
    if (isOrigin && line.slice(0, Math.max(at, 0)).trim() === "url") return ownerAndName(line.slice(at + 1).trim());
  }
  return undefined;
}

/** @returns the last two parts of a URL's path, without any user name or password */
function ownerAndName(url: string): string | undefined {
  // A query may be a token.
  const [name, owner] = (url.split(/[?#]/, 1)[0] ?? "")
    .replace(/\/$/, "")
    .replace(/\.git$/, "")
    .split("/")
    .reverse();
  // `git@host:owner/name`, `https://user:password@host/name`
  const ownOwner = owner?.split(/[:@]/).at(-1);
  if (!ownOwner || !name || /[:@\s]/.test(ownOwner + name)) return undefined;
  return ownOwner.length + name.length < longestName ? `${ownOwner}/${name}` : undefined;
}
