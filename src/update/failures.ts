import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

const unchanged = "nothing was changed";
const loginPage = `open the address in a browser: a proxy's login page, or an error page, may stand in its place; ${unchanged}`;

/** Failures of `codemie self`, as users see them. */
export const updateFailure = {
  notCompiled: () =>
    new CodemieError(
      "usage",
      "this codemie runs from its sources, and is no program that could be replaced",
      "build it: bun run build",
    ),
  /** @param manager its name; @param command what it takes instead */
  managed: (manager: string, command: string) =>
    new CodemieError(
      "usage",
      `${manager} installed this codemie, and would not know of the change`,
      `use it instead: ${command}`,
    ),
  unsigned: () =>
    new CodemieError(
      "failed",
      "this build is unsigned: it has no key to check a newer one with",
      "install a signed release with its installer (docs/install.md)",
    ),
  noBase: () =>
    new CodemieError(
      "usage",
      "nothing says where the releases are",
      "set CODEMIE_INSTALL_BASE_URL to the address you installed from",
    ),
  badBase: () =>
    new CodemieError(
      "usage",
      "CODEMIE_INSTALL_BASE_URL is not a plain https address",
      "give it without user, query and fragment; http is for this machine alone",
    ),
  /** @param status the HTTP status of the answer */
  notDownloaded: (url: string, status: number) =>
    new CodemieError(
      "unreachable",
      `${printable(url, 300)} could not be downloaded: the server answered ${status}`,
      `check the address, and try again; ${unchanged}`,
    ),
  badRedirect: (url: string) =>
    new CodemieError(
      "unreachable",
      `${printable(url, 300)} could not be downloaded: it leads on to an address that is not encrypted, or to ever more of them`,
      `tell whoever publishes it; ${unchanged}`,
    ),
  tooLong: (url: string) =>
    new CodemieError("unreachable", `${printable(url, 300)} is longer than such a file ever is`, loginPage),
  noVersion: (url: string) => new CodemieError("failed", `${printable(url, 300)} holds no version`, loginPage),
  /** @param latest what the server calls the latest; @param own ours */
  older: (latest: string, own: string) =>
    new CodemieError(
      "failed",
      `the server calls ${latest} the latest, and this is ${own}: the way back has to be asked for`,
      `codemie self update --rollback goes back to the version before, the installer with --version to any; ${unchanged}`,
    ),
  noSums: (url: string) => new CodemieError("failed", `${printable(url, 300)} is no list of sums`, loginPage),
  wrongSignature: (url: string) =>
    new CodemieError(
      "failed",
      `the signature of ${printable(url, 300)} is wrong`,
      `somebody changed the release, or it is another publisher's: tell whoever publishes it; ${unchanged}`,
    ),
  /** @param wanted the version that we asked for */
  otherRelease: (wanted: string) =>
    new CodemieError(
      "failed",
      `the server gave the sums of another version for ${wanted}`,
      `tell whoever publishes it; ${unchanged}`,
    ),
  noArchive: (wanted: string, file: string) =>
    new CodemieError("failed", `version ${wanted} has no ${file}`, `see what the release has; ${unchanged}`),
  wrongSum: (url: string) =>
    new CodemieError(
      "failed",
      `${printable(url, 300)} is not what the release holds: its SHA-256 sum is wrong`,
      loginPage,
    ),
  /** @param said what it printed on its standard output */
  doesNotRun: (file: string, said: string) =>
    new CodemieError(
      "failed",
      `the program in ${printable(file, 200)} does not run here as the version that it should be${said && `: ${printable(said, 80)}`}`,
      `where programs may not run (noexec), or a library is missing (on Alpine libstdc++), mend that first; ${unchanged}`,
    ),
  changedMeanwhile: (file: string) =>
    new CodemieError(
      "failed",
      `${printable(file, 200)} changed meanwhile: another update may have been faster`,
      "see codemie --version; this one changed nothing",
    ),
  noneBefore: (folder: string) =>
    new CodemieError(
      "failed",
      `there is no version before this one in ${printable(folder, 200)}: none was replaced by codemie self update`,
      "the installer with --version puts any version there",
    ),
  notOursBefore: (file: string) =>
    new CodemieError(
      "failed",
      `${printable(file, 200)} is not as codemie self update left it: others own it, or may write it`,
      "remove it; the installer with --version puts any version in place",
    ),
  nameTaken: (file: string) =>
    new CodemieError(
      "exists",
      `${printable(file, 200)} is there already, and is not a link to codemie`,
      `move it away; ${unchanged}`,
    ),
  /** @param profile of the gateway that runs */
  gatewayRuns: (profile: string, pid: number) =>
    new CodemieError(
      "failed",
      `the gateway of profile ${printable(profile, 64)} still runs (process ${pid})`,
      `stop it first: codemie proxy stop; ${unchanged}`,
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
