import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { linkNames } from "../../src/cli/commands/agent/agents.ts";
import { recordingAgent } from "../support/agents.ts";
import { codemie, Person } from "../support/codemie.ts";
import { handOff, loginUrl } from "../support/login.ts";
import { barePath, everything, type How, newKey, ownTarget, Releases, runInstaller } from "../support/release.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** `install.sh`: from a server with a release of the real program to a task, on a machine that has little. */

const sandbox = await sharedSandbox();
const releases = new Releases();
const small = join(releases.folder, "small");
const { version } = JSON.parse(Bun.spawnSync([codemie, "--version", "--json"]).stdout.toString());
beforeAll(async () => {
  const key = newKey();
  writeFileSync(small, '#!/bin/sh\necho "codemie 99.0.0 (test)"\n', { mode: 0o755 });
  await releases.publish("99.0.0", key, small);
  await releases.publish(version, key, codemie);
});
afterAll(async () => {
  await releases.close();
  Bun.spawnSync(["rm", "-rf", releases.folder]);
});
let person: Person;
let bin = "";
beforeEach(() => {
  person = new Person();
  bin = join(person.home, ".local/bin");
});
afterEach(() => person.remove());

const run = (args: readonly string[] = [], how: How = {}) =>
  runInstaller(person, releases.path(version, "install.sh"), args, {
    ...how,
    env: { CODEMIE_INSTALL_BASE_URL: releases.base, ...how.env },
  });

const busybox = Bun.which("busybox");
if (!busybox) console.log("skipped: busybox is not here");

for (const [what, shell, tools, ofBusybox, skipped] of cases(
  [
    ["dash, curl, openssl; piped", ["dash"], ["curl", "openssl", "sha256sum"], false, false],
    [
      "busybox's shell, wget and tar, with ssh-keygen",
      ["busybox", "ash"],
      ["wget", "ssh-keygen", "sha256sum"],
      true,
      !busybox,
    ],
  ] as const,
  1,
)) {
  test.skipIf(skipped)(
    `${what}: the program is installed, says its version, logs in and runs a task without Node`,
    async () => {
      const PATH = barePath(person, tools, ofBusybox);
      const installed = await run([], { shell, env: { PATH }, piped: shell[0] === "dash" });
      expect(installed).toMatchObject({ code: 0, err: "" });
      expect(installed.out).toBe(
        `codemie ${version} is in ${bin}, with its other names: ${linkNames.join(" ")}
${bin} is not on PATH: add it in the file your shell reads at its start, as in: export PATH="${bin}:$PATH"\n`,
      );
      expect(linkNames.map((name) => readlinkSync(join(bin, name)))).toEqual(linkNames.map(() => "codemie"));
      expect(Object.keys(everything(person)).filter((path) => path.startsWith(join(person.root, "tmp")))).toEqual([]);
      const seen = recordingAgent(person, "claude");
      const path = `${bin}:${join(person.root, "bin")}:${PATH}`;
      const { code, err } = await person.run(["--task", "hello", "--base-url", sandbox.origin], {
        program: join(bin, "codemie-claude"),
        env: { PATH: path, CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") },
      });
      expect({ code, err }).toEqual({ code: 0, err: "" });
      expect((await seen()).args).toContain("hello");
      const login = person.start(["profile", "login", "--url", sandbox.origin], {
        program: join(bin, "codemie"),
        env: { PATH: path },
      });
      const [page] = await login.says(loginUrl);
      await fetch(await handOff(page, sandbox.front.issue("ada").cookie));
      expect((await login.finished()).code).toBe(0);
      expect((await person.run(["models"], { program: join(bin, "codemie"), env: { PATH: path } })).code).toBe(0);
      const removed = await run(["--uninstall"], { shell, env: { PATH } });
      expect(removed.out).toBe(
        `removed from ${bin}: codemie ${linkNames.join(" ")}\nyour logins and settings stay in ~/.codemie\n`,
      );
      expect(Object.keys(everything(person)).filter((one) => one.startsWith(bin))).toEqual([bin]);
    },
  );
}

for (const shell of [["bash"], ["bash", "--posix"], ["dash"], ["busybox", "ash"]]) {
  for (const fetcher of ["curl", "wget"]) {
    test.skipIf(shell[0] === "busybox" && !busybox)(
      `${shell.join(" ")} with ${fetcher}: twice without harm, then another version, into a folder of one's choice`,
      async () => {
        const PATH = barePath(person, [fetcher, "openssl", "sha256sum"]);
        const dir = join(person.home, "my programs/bin");
        const how = { shell, env: { PATH: `${dir}:${PATH}` } };
        const args = ["--version", "99.0.0", "--dir", dir];
        const first = await run(args, how);
        expect(first).toEqual({
          code: 0,
          err: "",
          out: `codemie 99.0.0 is in ${dir}, with its other names: ${linkNames.join(" ")}\n`,
        });
        const after = everything(person);
        expect(await run(args, how)).toEqual(first);
        expect(everything(person)).toEqual(after);
      },
    );
  }
}

test("a link to an older place is led here; another codemie that comes first on PATH is named", async () => {
  person.install("codemie", "#!/bin/sh\n");
  Bun.spawnSync(["mkdir", "-p", bin]);
  symlinkSync("/opt/old/codemie", join(bin, "codemie-claude"));
  const { out, code } = await run(["--version=99.0.0"], { env: { PATH: `${person.env.PATH}:${bin}` } });
  expect(code).toBe(0);
  expect(out).toContain(`another codemie comes first on PATH: ${join(person.root, "bin/codemie")}\n`);
  expect(readlinkSync(join(bin, "codemie-claude"))).toBe("codemie");
  expect(readFileSync(join(bin, "codemie"))).toEqual(readFileSync(small));
});

test("a page of releases at GitHub has its files in places of its own", async () => {
  person.install("curl", '#!/bin/sh\nfor last; do :; done\necho "$last" >&2\nexit 22\n');
  for (const [base, args, asked] of [
    ["https://github.com/o/r/releases", [], "latest/download/VERSION"],
    ["https://github.com/o/r/releases", ["--version", "99.0.0"], "download/v99.0.0/SHA256SUMS"],
    ["https://github.com/o/r/x/releases", [], "latest/VERSION"],
    ["https://example.com/o/r/releases", ["--version", "99.0.0"], "v99.0.0/SHA256SUMS"],
  ] as const) {
    const { err } = await run(args, { env: { CODEMIE_INSTALL_BASE_URL: base, PATH: person.env.PATH ?? "" } });
    expect(err).toContain(`could not be downloaded: ${base}/${asked}\n`);
  }
});

test("--uninstall takes the version that an update kept along", async () => {
  Bun.spawnSync(["mkdir", "-p", bin]);
  for (const name of ["codemie", ".codemie.before", "other"]) writeFileSync(join(bin, name), "x");
  expect((await run(["--uninstall"])).out).toStartWith(`removed from ${bin}: codemie .codemie.before\n`);
  expect(readdirSync(bin)).toEqual(["other"]);
});

ciTest("it asks for the program of the machine: processor, C library", async () => {
  const found = async (uname: string, ldd: string) => {
    const [system, machine] = uname.split(" ");
    person.install("uname", `#!/bin/sh\n[ "$1" = -s ] && echo ${system} || echo ${machine}\n`);
    person.install("ldd", `#!/bin/sh\necho '${ldd}' >&2\nexit 1\n`);
    const { err } = await run(["--version", "99.0.0"]);
    return /version 99\.0\.0 has no codemie-(\S+)\.tar\.gz\n/.exec(err)?.[1] ?? ownTarget;
  };
  const x64 = ownTarget.startsWith("linux-x64") ? ownTarget : expect.stringMatching(/^linux-x64/);
  expect(await found("Linux x86_64", "ldd (Debian GLIBC 2.36) 2.36")).toEqual(x64);
  expect(await found("Linux x86_64", "musl libc (x86_64)")).toMatch(/^linux-x64(-baseline)?-musl$/);
  expect(await found("Linux aarch64", "musl libc (aarch64)")).toBe("linux-arm64-musl");
  expect(await found("Darwin arm64", "")).toBe("darwin-arm64");
  expect(await found("Darwin x86_64", "")).toBe("darwin-x64");
});

test("mistakes on the command line are told, with exit code 2", async () => {
  for (const [args, words] of [
    [["--prefix"], "the installer has no flag --prefix"],
    [["--dir"], "--dir needs a value"],
    [["--version", "latest"], "a version is three numbers, as in 1.2.3"],
  ] as const) {
    const ended = await run(args);
    expect([ended.code, ended.err]).toEqual([2, expect.stringContaining(`error: ${words}\nhint: see --help\n`)]);
  }
  const nowhere = await run([], { env: { CODEMIE_INSTALL_BASE_URL: "" } });
  expect([nowhere.code, nowhere.err]).toEqual([
    2,
    expect.stringContaining("error: nothing says where the releases are\nhint: "),
  ]);
  const homeless = await run([], { env: { HOME: "" } });
  expect([homeless.code, homeless.err]).toEqual([2, expect.stringContaining("HOME is not set")]);
  expect((await run(["--help"])).out).toContain("--checksum-only");
  expect(existsSync(bin)).toBe(false);
});
