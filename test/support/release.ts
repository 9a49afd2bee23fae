import { generateKeyPairSync } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "../../release/archive.ts";
import { type Edition, editionOf } from "../../release/compile.ts";
import { seal } from "../../release/release.ts";
import { type ReleaseKey, releaseKey } from "../../release/signature.ts";
import type { TargetName } from "../../release/targets.ts";
import type { Finished, Person } from "./codemie.ts";

/** Releases as the build makes them, a server that has them, and the installer's run. */

/** A key as a publisher has it. */
export function newKey(): ReleaseKey {
  const { privateKey } = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const key = releaseKey(privateKey);
  if (!key) throw new Error("no key");
  return key;
}

const hasAvx2 = () => existsSync("/proc/cpuinfo") && /\bavx2\b/.test(readFileSync("/proc/cpuinfo", "utf8"));

/** The target that the installer has to find on this machine, where the C library is glibc. */
export const ownTarget = (
  process.platform === "linux" && process.arch === "x64" && !hasAvx2()
    ? "linux-x64-baseline"
    : `${process.platform}-${process.arch}`
) as TargetName;

/** The archive that the installer takes on this machine. */
export const ownArchive = `codemie-${ownTarget}.tar.gz`;

const edition = await editionOf(undefined);

/** A server with releases: `v<version>/…` and `latest/…` are folders; `answers` come before them. */
export class Releases {
  readonly folder = mkdtempSync(join(tmpdir(), "codemie-releases-"));
  readonly answers = new Map<string, () => Response>();
  readonly asked: string[] = [];
  readonly #server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const { pathname } = new URL(request.url);
      this.asked.push(pathname);
      const answer = this.answers.get(pathname);
      if (answer) return answer();
      const file = Bun.file(join(this.folder, pathname));
      return (await file.exists()) ? new Response(file) : new Response("not here", { status: 404 });
    },
  });

  get base(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** @param key what signs it; @param program what is in its archive; it becomes the latest */
  async publish(version: string, key: ReleaseKey | undefined, program: string): Promise<void> {
    const folder = join(this.folder, `v${version}`);
    await pack(ownTarget, program, folder);
    await seal(folder, { ...edition, version, key } satisfies Edition, "");
    this.makeLatest(version);
  }

  makeLatest(version: string): void {
    cpSync(join(this.folder, `v${version}`), join(this.folder, "latest"), { recursive: true });
  }

  /** where a release's file lies */
  path(version: string, name: string): string {
    return join(this.folder, `v${version}`, name);
  }

  async close(): Promise<void> {
    await this.#server.stop(true);
  }
}

/** What the installer and its machine can be. */
export interface How {
  /** the shell, with its arguments before the script */
  readonly shell?: readonly string[];
  readonly env?: Record<string, string>;
  /** the script arrives on standard input, as from `curl … | sh` */
  readonly piped?: boolean;
}

/**
 * Runs an installer.
 *
 * @param script its path
 */
export function runInstaller(
  person: Person,
  script: string,
  args: readonly string[],
  how: How = {},
): Promise<Finished> {
  const [program = "dash", ...first] = how.shell ?? ["dash"];
  const words = how.piped ? [...first, "-s", "--", ...args] : [...first, script, ...args];
  const temporary = join(person.root, "tmp");
  mkdirSync(temporary, { recursive: true });
  return person.run(words, {
    program: Bun.which(program) ?? program,
    env: { TMPDIR: temporary, ...how.env },
    ...(how.piped ? { stdin: readFileSync(script, "utf8") } : {}),
  });
}

/** All that is in a person's home and folder for temporary files: paths, and what links lead to or files hold. */
export function everything(person: Person): Record<string, string> {
  const found: Record<string, string> = {};
  for (const top of [person.home, join(person.root, "tmp")].filter((folder) => existsSync(folder))) {
    for (const entry of readdirSync(top, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      found[path] = entry.isSymbolicLink()
        ? readlinkSync(path)
        : entry.isFile()
          ? Bun.hash(readFileSync(path)).toString()
          : "";
    }
  }
  return found;
}

/** The programs of a machine that has little. */
const everyday =
  "sh cat chmod cut dirname env getconf grep gzip head ldd ln mkdir mktemp mv pwd readlink rm rmdir sed sleep tail tar tr uname wc";

/**
 * Makes a PATH on which nothing else is.
 *
 * @param more programs beside the everyday ones
 * @param busybox whether they are busybox's
 */
export function barePath(person: Person, more: readonly string[], busybox = false): string {
  const bin = mkdtempSync(join(person.root, "bare-"));
  const others = ["getconf", "ldd", "curl", "openssl", "ssh-keygen"];
  for (const name of [...everyday.split(" "), ...more]) {
    const real = busybox && !others.includes(name) ? Bun.which("busybox") : Bun.which(name);
    if (real) symlinkSync(real, join(bin, name));
  }
  return bin;
}
