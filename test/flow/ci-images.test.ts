import { afterAll, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compile, editionOf } from "../../release/compile.ts";
import { recordingAgent } from "../support/agents.ts";
import { codemie, Person } from "../support/codemie.ts";
import { someone } from "../support/other-user.ts";
import { sharedSandbox } from "../support/shared.ts";
import { ciTest } from "../support/tiers.ts";

/** The program in images of CI: no Node, no home, no environment, any user, a root that is read-only but for /tmp. */

const sandbox = await sharedSandbox();
const made = mkdtempSync(join(tmpdir(), "codemie-image-"));
afterAll(() => rmSync(made, { recursive: true, force: true }));

const busybox = Bun.which("busybox");
const canChroot =
  process.platform === "linux" &&
  process.getuid?.() === 0 &&
  busybox !== null &&
  Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).exitCode === 0;
if (!canChroot) console.log("skipped: no roots of images here, which need root, busybox and mounts of one's own");
const testWithImage = test.skipIf(!canChroot);

/** The C library's files that a program names, which each image with glibc has. */
const librariesOf = (program: string) =>
  [
    ...Bun.spawnSync(["ldd", program])
      .stdout.toString()
      .matchAll(/(\/\S+) \(0x/g),
  ].map(([, file = ""]) => file);

/** A root with busybox, the C library, the program and an agent that prints what it was told; nothing else. */
function image(): string {
  const root = mkdtempSync(join(made, "root-"));
  chmodSync(root, 0o755);
  for (const folder of ["bin", "tmp", "dev", "proc"]) mkdirSync(join(root, folder));
  const put = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(from, join(root, to));
  };
  for (const file of [...new Set([...librariesOf(codemie), ...librariesOf(busybox ?? "")])]) put(file, file);
  put(busybox ?? "", "bin/busybox");
  for (const name of ["sh", "env"]) symlinkSync("busybox", join(root, "bin", name));
  put(codemie, "bin/codemie");
  symlinkSync("codemie", join(root, "bin/codemie-claude"));
  writeFileSync(join(root, "bin/claude"), '#!/bin/sh\nfor word; do echo "$word"; done > /tmp/told\necho done\n', {
    mode: 0o755,
  });
  return root;
}

/** Runs a command in an image, as a user that it does not know. */
function runIn(root: string, command: readonly string[]) {
  const mounts = `mount --bind '${root}' '${root}' && mount -o remount,bind,ro '${root}' &&
    mount -t tmpfs -o mode=1777 tmpfs '${root}/tmp' && mount --bind /dev '${root}/dev' && mount -t proc proc '${root}/proc' &&
    exec chroot --userspec=${someone}:${someone} '${root}' /bin/env -i "$@"`;
  return Bun.spawn(["unshare", "-m", "sh", "-c", mounts, "sh", ...command], { stdout: "pipe", stderr: "pipe" });
}
async function ended(child: ReturnType<typeof runIn>) {
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, out, err };
}

testWithImage("it says its version with nothing in the environment", async () => {
  const { code, out, err } = await ended(runIn(image(), ["/bin/codemie", "--version"]));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toStartWith("codemie ");
});

testWithImage("doctor ends and finds no defect of ours, though nothing can be stored", async () => {
  const { out, err } = await ended(runIn(image(), ["/bin/codemie", "doctor", "--json"]));
  expect(err).toBe("");
  const { checks } = JSON.parse(out);
  expect(JSON.stringify(checks)).not.toMatch(/unexpected|defect/);
});

testWithImage("a task runs with a bearer token: no home, an unknown user, a read-only root", async () => {
  const token = await sandbox.front.mintToken("ci");
  const variables = ["PATH=/bin", "CI=true", `CODEMIE_URL=${sandbox.origin}`, `CODEMIE_JWT_TOKEN=${token}`];
  const { code, out, err } = await ended(runIn(image(), [...variables, "/bin/codemie-claude", "--task", "say hello"]));
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toContain("done");
});

const qemu = Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
const arm64 = "/usr/aarch64-linux-gnu";
const canArm = process.arch === "arm64" || (qemu !== null && existsSync(arm64));
if (!canArm) console.log("skipped: no arm64 here (Debian: qemu-user-static, libc6-arm64-cross)");

for (const [target, canRun, emulator] of [
  ["linux-arm64", canArm, process.arch === "arm64" ? [] : [qemu ?? "", "-L", arm64]],
  ["linux-x64-baseline", process.platform === "linux" && process.arch === "x64", []],
] as const)
  (canRun ? ciTest : test.skip)(`the program for ${target} runs`, async () => {
    const program = join(made, target, "codemie");
    await compile(await editionOf(undefined), program, target);
    const command = [...emulator, program];
    const run = (...words: string[]) => Bun.spawnSync([...command, ...words], { env: { HOME: made, CI: "true" } });
    const { version } = JSON.parse(readFileSync(join(import.meta.dir, "../../package.json"), "utf8"));
    expect(run("--version").stdout.toString()).toStartWith(`codemie ${version} (`);
    expect(JSON.parse(run("doctor", "--json").stdout.toString()).checks.length).toBeGreaterThan(10);
    const person = new Person();
    const seen = recordingAgent(person, "claude");
    const words = [...command, "claude", "--task", "hello", "--base-url", sandbox.origin];
    const env = { ...person.env, CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci") };
    // Not synchronous: the host is in this process.
    const task = Bun.spawn(words, { env, cwd: person.cwd, stderr: "pipe" });
    expect({ err: await task.stderr.text(), code: await task.exited }).toEqual({ err: "", code: 0 });
    expect((await seen()).args).toContain("hello");
    person.remove();
  });

test("the lines for images in the documents name the files that a release has", async () => {
  const text = await Bun.file(join(import.meta.dir, "../../docs/ci/README.md")).text();
  const blocks = [...text.matchAll(/```dockerfile\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
  expect(blocks).toHaveLength(3);
  for (const block of blocks) {
    expect(block).toMatch(/^FROM \S+/);
    expect(block).toContain("install.sh");
    expect(block).toContain("--dir");
    expect(block).not.toContain("--checksum-only");
  }
  expect(blocks.find((block) => block.includes("alpine"))).toContain("libstdc++");
});
