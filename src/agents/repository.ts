import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { headerSafe } from "../core/text.ts";

/** The repository and branch that an agent works in, for the platform's usage statistics (CodeMie fact 5.3). */
export interface Repository {
  /** `owner/name` of the remote, else `parent/folder` */
  readonly name: string | undefined;
  /** undefined outside of a repository, and when the head is detached */
  readonly branch: string | undefined;
}

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
  const gitFolder = await gitFolderOf(top);
  const head = await text(join(gitFolder, "HEAD"));
  const common = (await text(join(gitFolder, "commondir")))?.trim();
  const settings = await text(join(common ? resolve(gitFolder, common) : gitFolder, "config"));
  return {
    name: headerSafe(remoteName(settings) ?? fallback),
    branch: headerSafe(/^ref: refs\/heads\/(.{1,250})$/m.exec(head ?? "")?.[1]),
  };
}

async function findTop(cwd: string): Promise<string | undefined> {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    if (await stat(join(folder, ".git")).catch(() => undefined)) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** In a linked work tree or a submodule `.git` is a file that names the folder. */
async function gitFolderOf(top: string): Promise<string> {
  const linked = /^gitdir: (.+)$/m.exec((await text(join(top, ".git"))) ?? "")?.[1];
  return linked ? resolve(top, linked) : join(top, ".git");
}

/** @returns `owner/name` from the URL of `origin`, without any user name or password */
function remoteName(settings: string | undefined): string | undefined {
  const section = settings?.split(/^\[remote "origin"\]\s*$/m)[1]?.split(/^\[/m)[0];
  const url = section && /^\s*url\s*=\s*(\S+)\s*$/m.exec(section)?.[1];
  return url ? /([^/:@\s]+\/[^/:@\s]+?)(?:\.git)?\/?$/.exec(url)?.[1] : undefined;
}

/** A repository may hold anything under these names, so this reads only plain files of a sane size. */
async function text(file: string): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() && found.size <= 262_144 ? await readFile(file, "utf8").catch(() => undefined) : undefined;
}
