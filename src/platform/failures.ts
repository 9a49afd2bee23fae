import { CodemieError, systemCode } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** Why a file cannot be written, by the system's and SQLite's codes. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EFBIG: "the file size limit is reached",
  EBADF: "it is closed",
  ENOTDIR: "a part of the path is not a folder",
  ENOENT: "the folder does not exist",
  SQLITE_FULL: "the disk is full",
  SQLITE_READONLY: "the file system is read-only",
  SQLITE_CANTOPEN: "permission denied",
};

function inWords(error: unknown): string {
  const code = systemCode(error);
  return reasons[code] ?? (code || "unknown error");
}

/** Failures of the machine: its files, locks, network and browser, as users see them. */
export const platformFailure = {
  unreachable: (origin: string, why: string) =>
    new CodemieError("unreachable", `cannot reach ${origin}: ${why}`, "check the address, the network and the VPN"),
  /** @param why a noun, for example `no address of a proxy` */
  proxyUnusable: (origin: string, variable: string, why: string) =>
    new CodemieError(
      "unreachable",
      `cannot reach ${origin}: ${variable} names ${printable(why, 200)}`,
      `name an http: or https: proxy in ${variable}, or the host in NO_PROXY if it is reached directly`,
    ),
  /**
   * @param proxy its address, without a password
   * @param said the status and its text, for example `407 Proxy Authentication Required`
   * @param hasName true: the variable holds a user name
   */
  proxyRefused: (origin: string, proxy: string, variable: string, said: string, hasName: boolean) => {
    const hints: Record<string, string> = {
      407: hasName
        ? `check the user name and the password in ${variable}`
        : `it wants a user name and a password: put them into ${variable}, as http://NAME:PASSWORD@proxy.example.com:8080`,
      403: "it forbids this host: ask those who run the proxy, or name the host in NO_PROXY if it is reached directly",
    };
    return new CodemieError(
      "unreachable",
      `cannot reach ${origin}: the proxy ${proxy} answered ${printable(said, 80)}`,
      hints[said.slice(0, 3)] ?? `ask those who run the proxy, which ${variable} names`,
    );
  },
  /** @param proxy its address, without a password */
  proxyDown: (origin: string, proxy: string, variable: string, why: string) =>
    new CodemieError(
      "unreachable",
      `cannot reach ${origin}: no connection to the proxy ${proxy}: ${why}`,
      `check the proxy's address in ${variable}, the network and the VPN`,
    ),
  badAnswer: (origin: string, why: string) =>
    new CodemieError(
      "unreachable",
      `the answer of ${origin} is not valid HTTP: ${why}`,
      "ask those who run the host, or a proxy in front of it",
    ),
  tls: (origin: string, why: string) =>
    new CodemieError(
      "tls",
      `the certificate of ${origin} cannot be trusted: ${why}`,
      "if your company runs its own certificate authority, name its file in CODEMIE_CA_CERTS",
    ),
  exists: (file: string) =>
    new CodemieError("exists", `${printable(file, 200)} exists, and is not overwritten`, "give another name"),
  /** A file that a person named: none of ours. */
  newFile: (file: string, error: unknown) =>
    new CodemieError(
      "disk",
      `cannot make ${printable(file, 200)}: ${inWords(error)}`,
      systemCode(error) === "ENOENT"
        ? "make the folder first, or name another one"
        : "name a file in a folder that you may write in",
      { cause: error },
    ),
  symbolicLink: (path: string) =>
    new CodemieError(
      "vault_unreadable",
      `${path} is a symbolic link, and is not followed`,
      "put the real one in its place; CODEMIE_HOME and CODEMIE_VAULT_KEY_FILE name other places",
    ),
  foreignOwner: (path: string, owner: number) =>
    new CodemieError(
      "vault_unreadable",
      `${path} belongs to another user (${owner}), and is not used`,
      "move it away if you do not know it; otherwise change its owner, or set CODEMIE_HOME to a folder of your own",
    ),
  sharedFolder: (path: string) =>
    new CodemieError(
      "vault_unreadable",
      `others may write in ${path}, so codemie reads and stores nothing there`,
      `set CODEMIE_HOME to a folder of your own; you can make one in it: mkdir -m 700 ${path}/codemie`,
    ),
  unreadable: (file: string, why: string) =>
    new CodemieError("vault_unreadable", `cannot read ${file}: ${why}`, "check the owner and mode of the file"),
  /**
   * @param what the locked thing, as the message names it
   * @param holder number of the process that holds the lock, when it is known
   */
  locked: (what: string, waitedMs: number, holder?: number) =>
    new CodemieError(
      "vault_locked",
      `${what} has been locked by another codemie for ${Math.round(waitedMs / 1000)} s`,
      holder === undefined ? "end the other process or try again" : `end process ${holder} or try again`,
    ),
  disk: (file: string, error: unknown) =>
    new CodemieError(
      "disk",
      `cannot write ${file}: ${inWords(error)}`,
      "make room or change the permissions, or set CODEMIE_HOME to another folder; what was stored before is unchanged",
      { cause: error },
    ),
  tooLong: (file: string, bytes: number) =>
    new CodemieError(
      "disk",
      `cannot write ${file}: it would be longer than ${bytes / 1024 / 1024} MiB, and could not be read again`,
      "shorten what goes into it; what was stored before is unchanged",
    ),
  /** A program of ours, or a link to it. */
  programFile: (file: string, error: unknown) =>
    new CodemieError(
      "disk",
      `cannot change ${printable(file, 200)}: ${inWords(error)}`,
      "see who owns the folder and whether there is room; docs/install.md tells how to install into a folder of your own",
      { cause: error },
    ),
  batchFile: (program: string) =>
    new CodemieError(
      "failed",
      `${printable(program, 200)} is a batch file, and Windows would read parts of its arguments as commands`,
      'name the program itself, an .exe, or leave out line ends and " % ! ^ & | < > ( )',
    ),
  output: (error: unknown) =>
    new CodemieError("failed", `cannot write the output: ${inWords(error)}`, undefined, { cause: error }),
  /** @param why a main clause, for example `there is no certificate in it` */
  caFile: (variable: string, file: string, why: string) =>
    new CodemieError(
      "usage",
      `${variable} names ${printable(file, 200)}, and ${why}`,
      "give the absolute path of a file with certificates in PEM",
    ),
  relativePath: (variable: string, path: string) =>
    new CodemieError(
      "usage",
      `${variable} is ${printable(path, 200)}, a relative path: the current directory would decide what it means`,
      "give an absolute path",
    ),
  notUserNumber: (variable: string, text: string) =>
    new CodemieError(
      "usage",
      `${variable} is ${printable(text, 60)}, not the number of a user`,
      "give the number that id -u USER prints",
    ),
  browserFailed: (program: string) =>
    new CodemieError(
      "failed",
      `could not start ${printable(program, 120)}`,
      "open the URL above yourself; CODEMIE_BROWSER takes a name on PATH or an absolute path",
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
