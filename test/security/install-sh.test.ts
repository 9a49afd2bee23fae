import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "../../release/archive.ts";
import { editionOf } from "../../release/compile.ts";
import { installer } from "../../release/installer.ts";
import { sign } from "../../release/release.ts";
import { type Finished, Person } from "../support/codemie.ts";
import { testWithMounts } from "../support/namespace.ts";
import {
  barePath,
  everything,
  type How,
  newKey,
  ownArchive,
  ownTarget,
  Releases,
  runInstaller,
} from "../support/release.ts";
import { cases, ciTest } from "../support/tiers.ts";

/**
 * Threat: somebody between the publisher and the machine gives the installer another program, or a broken one. Nothing is
 * unpacked, moved or run before it is checked, and a refusal changes nothing.
 */

const made = mkdtempSync(join(tmpdir(), "codemie-programs-"));
const edition = await editionOf(undefined);

/** A program that says a version, and leaves a mark when it runs. */
function program(version: string, mark = ""): string {
  const path = join(made, `program-${version}-${crypto.randomUUID()}`);
  writeFileSync(path, `#!/bin/sh\n${mark ? `: > '${mark}'\n` : ""}echo "codemie ${version} (test)"\n`, { mode: 0o755 });
  return path;
}

const key = newKey();
let person: Person;
let releases: Releases;
let script = "";
beforeEach(async () => {
  person = new Person();
  releases = new Releases();
  await releases.publish("1.2.3", key, program("1.2.3"));
  script = join(person.root, "install.sh");
  renameSync(releases.path("1.2.3", "install.sh"), script);
});
afterEach(async () => {
  await releases.close();
  Bun.spawnSync(["rm", "-rf", releases.folder]);
  person.remove();
});
afterAll(() => void Bun.spawnSync(["rm", "-rf", made]));

const run = (args: readonly string[] = [], how: How = {}): Promise<Finished> =>
  runInstaller(person, script, args, { ...how, env: { CODEMIE_INSTALL_BASE_URL: releases.base, ...how.env } });

/** Runs the installer, which has to refuse with these words and change nothing. */
async function refuses(words: RegExp, args: readonly string[] = [], how: How = {}): Promise<Finished> {
  mkdirSync(join(person.root, "tmp"), { recursive: true });
  const before = everything(person);
  const ended = await run(args, how);
  expect({ code: ended.code, out: ended.out }).toEqual({ code: expect.any(Number), out: "" });
  expect(ended.code).toBeGreaterThan(0);
  const said = ended.err.replace(/^warning: .*\n/, "");
  expect(said).toMatch(/^error: [^\n]+\nhint: [^\n]+\n$/);
  expect(said).toMatch(words);
  expect(everything(person)).toEqual(before);
  return ended;
}

/** Puts another program into a release, with its right sum, and signs it or leaves the signature as it was. */
async function replaceProgram(by: typeof key | undefined): Promise<string> {
  const mark = join(person.root, "ran");
  await pack(ownTarget, program("1.2.3", mark), join(releases.folder, "v1.2.3"));
  await sign(join(releases.folder, "v1.2.3"), { ...edition, version: "1.2.3", key: by });
  return mark;
}
const file = (name: string) => `/v1.2.3/${name}`;
const page = () =>
  new Response("<html><body>Please log in to the network</body></html>", { headers: { "content-type": "text/html" } });
const wrongSum = /is not what the release holds: its SHA-256 sum is wrong/;
const wrongSignature = /the signature of \S+ is wrong/;

test("sound files are installed: what follows refuses for its own reason", async () => {
  expect(await run()).toMatchObject({ code: 0, err: "" });
});

ciTest("a download that is cut short, with its end missing or its connection broken", async () => {
  const bytes = readFileSync(releases.path("1.2.3", ownArchive));
  releases.answers.set(file(ownArchive), () => new Response(bytes.subarray(0, bytes.length / 2)));
  await refuses(wrongSum);
  for (const fetcher of ["curl", "wget"]) {
    const cut = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, data) {
          const path = /^GET (\S+)/.exec(data.toString())?.[1] ?? "";
          const whole = readFileSync(join(releases.folder, path));
          const sent = path.endsWith(".gz") ? whole.subarray(0, whole.length / 2) : whole;
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole.length}\r\nConnection: close\r\n\r\n`);
          socket.write(sent);
          socket.end();
        },
      },
    });
    const env = {
      CODEMIE_INSTALL_BASE_URL: `http://127.0.0.1:${cut.port}`,
      PATH: barePath(person, [fetcher, "openssl", "sha256sum"]),
    };
    const { code } = await refuses(/could not be downloaded/, [], { env });
    expect(code).toBe(5);
    cut.stop(true);
  }
});

test("a wrong sum: another archive under the same name", async () => {
  const mark = join(person.root, "ran");
  await pack(ownTarget, program("1.2.3", mark), join(releases.folder, "v1.2.3"));
  await refuses(wrongSum);
  expect(await Bun.file(mark).exists()).toBe(false);
});

test("a wrong signature: right sums that nobody signed, or another key did", async () => {
  const sums = readFileSync(releases.path("1.2.3", "SHA256SUMS.sig"));
  const mark = await replaceProgram(undefined);
  expect(readFileSync(releases.path("1.2.3", "SHA256SUMS.sig"))).toEqual(sums);
  await refuses(wrongSignature);
  await refuses(wrongSignature, ["--checksum-only"]); // it is not needed here, and takes nothing away
  await replaceProgram(newKey());
  await refuses(wrongSignature);
  await refuses(wrongSignature, [], { env: { PATH: barePath(person, ["curl", "ssh-keygen", "sha256sum"]) } });
  expect(await Bun.file(mark).exists()).toBe(false);
});

ciTest("a signature that is missing, empty or long", async () => {
  for (const [body, status] of [
    ["", 404],
    ["", 200],
    ["x".repeat(200_000), 200],
  ] as const) {
    releases.answers.set(file("SHA256SUMS.sig"), () => new Response(body, { status }));
    await refuses(/signature of \S+ is wrong|could not be downloaded/);
  }
});

ciTest("the signed release of another version under this one's number", async () => {
  await releases.publish("1.2.2", key, program("1.2.2"));
  Bun.spawnSync(["rm", "-rf", join(releases.folder, "v1.2.3")]);
  renameSync(join(releases.folder, "v1.2.2"), join(releases.folder, "v1.2.3"));
  await refuses(/gave the sums of another version \(1\.2\.2\) for 1\.2\.3/, ["--version", "1.2.3"]);
});

ciTest("an old release that is called the latest: the way back has to be asked for", async () => {
  await releases.publish("1.2.2", key, program("1.2.2"));
  await refuses(/calls 1\.2\.2 the latest, and this installer is of 1\.2\.3/);
  expect(await run(["--version", "1.2.2"])).toMatchObject({ code: 0, err: "" });
  await releases.publish("1.10.0", key, program("1.10.0"));
  expect((await run()).out).toStartWith("codemie 1.10.0 is in ");
});

ciTest("a proxy's login page in place of any file", async () => {
  const cases = [
    ["/latest/VERSION", /latest\/VERSION holds no version/],
    [file("SHA256SUMS"), /SHA256SUMS is no list of sums/],
    [file("SHA256SUMS.sig"), wrongSignature],
    [file(ownArchive), wrongSum],
  ] as const;
  for (const [path, words] of cases) {
    releases.answers.set(path, page);
    await refuses(words);
    releases.answers.delete(path);
  }
});

ciTest("a version that is a path, an option or a command", async () => {
  for (const version of ["../../x", "1.2.3/../..", "-o x", "1.2.3; touch x", "01.2.3", "1.2", "1.2.3\n4.5.6", ""]) {
    releases.answers.set("/latest/VERSION", () => new Response(version));
    await refuses(/latest\/VERSION holds no version/);
    if (version) await refuses(/a version is three numbers/, ["--version", version]);
  }
  expect(releases.asked.filter((path) => path !== "/latest/VERSION")).toEqual([]);
});

test("an address that is not encrypted, or that only looks like this machine's", async () => {
  for (const base of [
    "http://example.invalid",
    "http://127.0.0.1.example.invalid",
    "http://localhost:1@example.invalid",
    "http://127.0.0.1:80a",
    "ftp://127.0.0.1",
    "file:///tmp",
    "https://h/?x=",
    "-K/tmp/x",
    "https://h\nhttp://127.0.0.1",
  ]) {
    const { code } = await refuses(/is not encrypted|is not a plain https address/, [], {
      env: { CODEMIE_INSTALL_BASE_URL: base },
    });
    expect(code).toBe(2);
  }
});

test("a redirect away from the server is not followed to another unencrypted one", async () => {
  releases.answers.set("/latest/VERSION", () => Response.redirect(`${releases.base}/v1.2.3/VERSION`));
  await refuses(/VERSION could not be downloaded/, [], {
    env: { PATH: barePath(person, ["curl", "openssl", "sha256sum"]) },
  });
});

test("nothing that checks a signature: refused, and with --checksum-only it says what that means", async () => {
  const env = { PATH: barePath(person, ["curl", "sha256sum"]) };
  await refuses(
    /nothing here can check the signature of the release.*\n.*add --checksum-only if you trust the server/,
    [],
    { env },
  );
  const ended = await run(["--checksum-only"], { env });
  expect(ended).toMatchObject({
    code: 0,
    err: expect.stringContaining("warning: no signature is checked: whoever can change the files"),
  });
});

test("with --checksum-only the sum still counts", async () => {
  const env = { PATH: barePath(person, ["curl", "sha256sum"]) };
  releases.answers.set(file(ownArchive), page);
  await refuses(wrongSum, ["--checksum-only"], { env });
});

ciTest("a program that accepts or refuses every signature is not believed", async () => {
  for (const code of [0, 1]) {
    const bare = barePath(person, ["curl", "sha256sum"]);
    const env = { PATH: bare };
    for (const name of ["openssl", "ssh-keygen"])
      writeFileSync(join(bare, name), `#!/bin/sh\nexit ${code}\n`, { mode: 0o755 });
    await refuses(/nothing here can check the signature/, [], { env });
    Bun.spawnSync(["ln", "-sf", Bun.which("ssh-keygen") ?? "", join(bare, "ssh-keygen")]);
    expect(await run([], { env })).toMatchObject({ code: 0, err: "" });
    await replaceProgram(newKey());
    await refuses(wrongSignature, [], { env });
    await replaceProgram(key);
  }
});

test("an unsigned build says so, and wants --checksum-only", async () => {
  await releases.publish("1.2.3", undefined, program("1.2.3"));
  script = releases.path("1.2.3", "install.sh");
  await refuses(/this build is unsigned: nobody vouches for the program.*\n.*--checksum-only/);
  expect(releases.asked).toEqual([]);
  expect((await run(["--checksum-only"])).err).toStartWith("warning: no signature is checked");
});

test("busybox's wget, which checks no certificate, is no way without a signature", async () => {
  const bare = barePath(person, ["sha256sum"]);
  writeFileSync(join(bare, "wget"), "#!/bin/sh\necho BusyBox\n", { mode: 0o755 });
  const env = { PATH: bare, CODEMIE_INSTALL_BASE_URL: "https://example.invalid" };
  await refuses(/nothing checks what comes: no signature, and busybox's wget/, ["--checksum-only"], { env });
});

test("an installer that is itself cut short runs nothing", async () => {
  const text = await installer({ ...edition, version: "1.2.3", key, baseUrl: releases.base });
  const lines = text.split("\n");
  const last = text.lastIndexOf("{ main");
  const ends = lines.map((_, n) => lines.slice(0, n).join("\n").length).filter((end) => end <= last);
  for (let end = last; end < text.lastIndexOf("}"); end++) ends.push(end);
  const before = everything(person);
  const cut = join(person.root, "cut.sh");
  for (const end of ends.filter((end, n) => n % 7 === 0 || end >= last)) {
    writeFileSync(cut, text.slice(0, end));
    expect({ end, out: (await runInstaller(person, cut, [])).out }).toEqual({ end, out: "" });
  }
  expect([everything(person), releases.asked]).toEqual([before, []]);
});

for (const [what, uname, words] of cases(
  [
    ["another system", "FreeBSD amd64", /there is no codemie for this machine \(FreeBSD amd64\)/],
    ["another processor", "Linux riscv64", /there is no codemie for this machine \(Linux riscv64\)/],
    ["a shell on Windows", "MINGW64_NT-10.0 x86_64", /not for Windows\nhint: unpack codemie-windows-x64\.exe\.zip/],
  ] as const,
  1,
)) {
  test(`a machine that is not supported: ${what}`, async () => {
    const [system, machine] = uname.split(" ");
    person.install("uname", `#!/bin/sh\n[ "$1" = -s ] && echo ${system} || echo ${machine}\n`);
    await refuses(words);
    expect(releases.asked).toEqual([]);
  });
}

test("a program that does not run on this machine is not left there", async () => {
  const broken = join(made, "broken");
  writeFileSync(broken, "#!/bin/sh\necho 'libstdc++.so.6: not found' >&2\nexit 127\n", { mode: 0o755 });
  await releases.publish("1.2.3", key, broken);
  await refuses(/does not run here: libstdc\+\+\.so\.6: not found\nhint: on Alpine, install libstdc\+\+/);
});

test("a file of somebody else's under one of the names stays, and so does a folder", async () => {
  const bin = join(person.home, ".local/bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "codemie-codex"), "mine");
  await refuses(/codemie-codex is there already, and is not a link to codemie/);
  expect((await run(["--uninstall"])).out).toBe(`there is no codemie in ${bin}\n`);
  Bun.spawnSync(["rm", join(bin, "codemie-codex")]);
  symlinkSync("/etc/passwd", join(bin, "codemie-gemini"));
  await refuses(/codemie-gemini is there already/);
  Bun.spawnSync(["rm", join(bin, "codemie-gemini")]);
  mkdirSync(join(bin, "codemie"));
  await refuses(/codemie is a folder/);
});

/** The installer in a mount namespace of its own, after these commands. */
const mounted = (commands: string) => ({ shell: ["unshare", "-rm", "sh", "-c", `${commands} && exec dash "$0" "$@"`] });

testWithMounts("a folder that is read-only", async () => {
  const ro = `mount --bind '${person.home}' '${person.home}' && mount -o remount,bind,ro '${person.home}'`;
  await refuses(/\.local\/bin cannot be written\nhint: choose another folder with --dir/, [], mounted(ro));
  expect(releases.asked).toEqual([]);
});

testWithMounts("a full disk, where it is installed and where it is downloaded to", async () => {
  const big = join(made, "big");
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000))).toString("base64");
  writeFileSync(big, `#!/bin/sh\necho "codemie 1.2.3 (test)"\nexit\n${noise}${noise}${noise}\n`);
  chmodSync(big, 0o755);
  await releases.publish("1.2.3", key, big);
  const small = (folder: string) => `mkdir -p '${folder}' && mount -t tmpfs -o size=64k tmpfs '${folder}'`;
  await refuses(/has no room for the program/, [], mounted(small(person.home)));
  const { code } = await refuses(/could not be downloaded/, [], mounted(small(join(person.root, "tmp"))));
  expect(code).toBe(5);
});
