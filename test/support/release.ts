import { generateKeyPairSync } from "node:crypto";
import {
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "../../release/archive.ts";
import { compile, type Edition, editionOf } from "../../release/compile.ts";
import { seal } from "../../release/release.ts";
import { type ReleaseKey, releaseKey } from "../../release/signature.ts";
import { ownTarget as targetHere } from "../../release/targets.ts";
import { codemie, type Finished, type Person } from "./codemie.ts";

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

/** The target that the installer has to find on this machine. */
export const ownTarget = targetHere();

/** The archive that the installer takes on this machine. */
export const ownArchive = `codemie-${ownTarget}.tar.gz`;

const edition = await editionOf(undefined);

/** A server with releases: `v<version>/…` and `latest/…` are folders; `answers` come before them. */
export class Releases {
  readonly folder = mkdtempSync(join(tmpdir(), "codemie-releases-"));
  readonly answers = new Map<string, () => Response>();
  readonly asked: string[] = [];
  readonly #server: Bun.Server<undefined>;

  /** @param tls makes it an `https:` server */
  constructor(tls?: { key: string; cert: string }) {
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      ...(tls && { tls }),
      fetch: (request) => this.#answer(request),
    });
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    this.asked.push(pathname);
    const answer = this.answers.get(pathname);
    if (answer) return answer();
    const file = Bun.file(join(this.folder, pathname));
    return (await file.exists()) ? new Response(file) : new Response("not here", { status: 404 });
  }

  get base(): string {
    return `${this.#server.protocol}://127.0.0.1:${this.#server.port}`;
  }

  /** @param key what signs it; @param program what is in its archive; it becomes the latest */
  async publish(version: string, key: ReleaseKey | undefined, program: string): Promise<void> {
    const folder = join(this.folder, `v${version}`);
    await pack(ownTarget, program, folder);
    await seal(folder, { ...edition, version, key } satisfies Edition);
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

/** What {@link signedProgram} is: an old version, so that anything published is a newer one. */
export const signedVersion = "0.0.99";

/**
 * A program as a publisher builds it: with a key. Building takes seconds of the processor, so all tests of one build share it.
 *
 * @returns its path, and the key of its releases
 */
export async function signedProgram(): Promise<{ program: string; key: ReleaseKey }> {
  const shared = join(codemie, "../signed");
  if (!existsSync(shared)) {
    const made = mkdtempSync(`${shared}-`);
    const { privateKey } = newKey();
    writeFileSync(join(made, "key.pem"), privateKey.export({ type: "pkcs8", format: "pem" }));
    const key = releaseKey(readFileSync(join(made, "key.pem"), "utf8"));
    await compile({ ...edition, version: signedVersion, key }, join(made, "codemie"));
    try {
      renameSync(made, shared);
    } catch {
      rmSync(made, { recursive: true }); // another test was faster
    }
  }
  const key = releaseKey(readFileSync(join(shared, "key.pem"), "utf8"));
  if (!key) throw new Error("no key");
  return { program: join(shared, "codemie"), key };
}

/** Puts a program into a person's `~/.local/bin`, and that on PATH. @returns its path there */
export function installProgram(person: Person, program: string): string {
  const bin = join(person.home, ".local/bin");
  mkdirSync(bin, { recursive: true });
  const path = join(bin, "codemie");
  try {
    linkSync(program, path); // a copy takes a hundred megabytes
  } catch {
    copyFileSync(program, path);
  }
  person.env.PATH = `${bin}:${person.env.PATH}`;
  return path;
}

/** A program that says a version, as `--version` does, and nothing else. @returns its path, in this folder */
export function smallProgram(folder: string, version: string, script = ""): string {
  const path = join(folder, `program-${crypto.randomUUID()}`);
  writeFileSync(path, `#!/bin/sh\n${script}echo "codemie ${version} (test)"\n`, { mode: 0o755 });
  return path;
}
