import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "../../release/archive.ts";
import { editionOf } from "../../release/compile.ts";
import { sign } from "../../release/release.ts";
import { codemie, type Finished, Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { testWithMounts } from "../support/namespace.ts";
import {
  everything,
  installProgram,
  newKey,
  ownArchive,
  ownTarget,
  Releases,
  signedProgram,
  signedVersion,
  smallProgram,
} from "../support/release.ts";

/**
 * Threat: somebody between the publisher and the machine has `codemie self update` put another program in its place, an old
 * one, or half of one. The program that is there checks before anything is moved or run; a refusal changes nothing.
 */

const made = mkdtempSync(join(tmpdir(), "codemie-programs-"));
const edition = await editionOf(undefined);
const { program, key } = await signedProgram();
let person: Person;
let releases: Releases;
let installed = "";
let mark = "";
beforeEach(async () => {
  person = new Person();
  installed = installProgram(person, program);
  mark = join(person.root, "ran");
  releases = new Releases();
  await releases.publish("1.2.3", key, smallProgram(made, "1.2.3"));
  Object.assign(person.env, { CODEMIE_INSTALL_BASE_URL: releases.base });
});
afterEach(async () => {
  await releases.close();
  Bun.spawnSync(["rm", "-rf", releases.folder]);
  person.remove();
});
afterAll(() => rmSync(made, { recursive: true, force: true }));

const update = (env: Record<string, string> = {}, ...args: string[]) =>
  person.run(["self", "update", ...args], { program: installed, env });

/** A run that has to refuse with these words, and change nothing. */
async function refuses(words: RegExp, run: () => Promise<Finished> = update): Promise<Finished> {
  const before = everything(person);
  const ended = await run();
  expect({ code: ended.code, out: ended.out }).toEqual({ code: expect.any(Number), out: "" });
  expect(ended.code).toBeGreaterThan(0);
  expect(ended.err).toMatch(words);
  expect(ended.err).toMatch(/\nhint: [^\n]+\n$|^error: [^\n]+\nhint: [^\n]+\n$/);
  expect(everything(person)).toEqual(before);
  expect(await Bun.file(mark).exists()).toBe(false);
  return ended;
}

/** A program that leaves a mark when it runs. */
const marked = (version = "1.2.3") => smallProgram(made, version, `: > '${mark}'\n`);

/** Puts another program into a release, with its right sum, and signs it or leaves the signature as it was. */
async function replaceProgram(by: typeof key | undefined): Promise<void> {
  await pack(ownTarget, marked(), join(releases.folder, "v1.2.3"));
  await sign(join(releases.folder, "v1.2.3"), { ...edition, version: "1.2.3", key: by });
}
const file = (name: string) => `/v1.2.3/${name}`;
const page = () =>
  new Response("<html><body>Please log in to the network</body></html>", { headers: { "content-type": "text/html" } });
const wrongSum = /is not what the release holds: its SHA-256 sum is wrong/;
const wrongSignature = /the signature of \S+ is wrong/;

test("sound files are installed: what follows refuses for its own reason", async () => {
  expect((await update()).code).toBe(0);
  expect(readFileSync(installed, "utf8")).toContain("codemie 1.2.3");
});

test("a wrong sum: another archive under the same name", async () => {
  await pack(ownTarget, marked(), join(releases.folder, "v1.2.3"));
  await refuses(wrongSum);
});

test("a wrong signature: right sums that nobody signed, or another key did; missing, empty or long", async () => {
  await replaceProgram(undefined);
  await refuses(wrongSignature);
  await replaceProgram(newKey());
  await refuses(wrongSignature);
  for (const [body, status] of [
    ["", 404],
    ["", 200],
    ["x".repeat(64), 200],
    ["x".repeat(200_000), 200],
  ] as const) {
    releases.answers.set(file("SHA256SUMS.sig"), () => new Response(body, { status }));
    await refuses(/signature of \S+ is wrong|could not be downloaded|longer than such a file/);
  }
});

test("an old release that is called the latest, and the signed release of another version under a newer number", async () => {
  releases.answers.set("/latest/VERSION", () => new Response("0.0.0\n"));
  await refuses(new RegExp(`calls 0\\.0\\.0 the latest, and this is ${signedVersion.replaceAll(".", "\\.")}`));
  releases.answers.clear();
  await releases.publish("0.0.0", key, marked("0.0.0"));
  Bun.spawnSync(["rm", "-rf", join(releases.folder, "v1.2.3")]);
  renameSync(join(releases.folder, "v0.0.0"), join(releases.folder, "v1.2.3"));
  releases.answers.set("/latest/VERSION", () => new Response("1.2.3\n"));
  await refuses(/gave the sums of another version for 1\.2\.3/);
});

test("a program that calls itself another version, or does not run, is not put in place", async () => {
  await releases.publish("1.2.3", key, smallProgram(made, "1.2.2"));
  await refuses(/does not run here as the version that it should be: codemie 1\.2\.2/);
  const broken = join(made, "broken");
  writeFileSync(broken, "#!/bin/sh\nexit 127\n", { mode: 0o755 });
  await releases.publish("1.2.3", key, broken);
  await refuses(/does not run here/);
});

test("a proxy's login page in place of any file; a version that is a path", async () => {
  for (const [path, words] of [
    ["/latest/VERSION", /latest\/VERSION holds no version/],
    [file("SHA256SUMS"), /SHA256SUMS is no list of sums/],
    [file("SHA256SUMS.sig"), wrongSignature],
    [file(ownArchive), wrongSum],
  ] as const) {
    releases.answers.set(path, page);
    await refuses(words);
    releases.answers.delete(path);
  }
  for (const version of ["../../x", "1.2.3/../..", "01.2.3", "1.2", "1.2.3\n4.5.6", ""]) {
    releases.answers.set("/latest/VERSION", () => new Response(version));
    await refuses(/latest\/VERSION holds no version/);
  }
});

test("a download that is cut short, with its end missing or its connection broken", async () => {
  const bytes = readFileSync(releases.path("1.2.3", ownArchive));
  releases.answers.set(file(ownArchive), () => new Response(bytes.subarray(0, bytes.length / 2)));
  await refuses(wrongSum);
  const cut = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data(socket, data) {
        const path = /^GET (\S+)/.exec(data.toString())?.[1] ?? "";
        const whole = readFileSync(join(releases.folder, path));
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${whole.length}\r\nConnection: close\r\n\r\n`);
        socket.write(path.endsWith(".gz") ? whole.subarray(0, whole.length / 2) : whole);
        socket.end();
      },
    },
  });
  const { code } = await refuses(/cannot reach|wrong/, () =>
    update({ CODEMIE_INSTALL_BASE_URL: `http://127.0.0.1:${cut.port}` }),
  );
  expect([1, 5]).toContain(code);
  cut.stop(true);
});

test("an address that is not encrypted, or only looks like this machine's; a redirect to such a one", async () => {
  for (const base of [
    "http://example.invalid",
    "http://127.0.0.1.example.invalid",
    "http://localhost:1@example.invalid",
    "ftp://127.0.0.1",
    "file:///tmp",
    "https://h/?x=",
    "https://h\nhttp://127.0.0.1",
  ]) {
    const { code } = await refuses(/is not a plain https address/, () => update({ CODEMIE_INSTALL_BASE_URL: base }));
    expect(code).toBe(2);
  }
  for (const to of [`${releases.base}/v1.2.3/VERSION`, "file:///etc/hostname", "http://example.invalid/"]) {
    releases.answers.set("/latest/VERSION", () => new Response("", { status: 302, headers: { location: to } }));
    await refuses(/VERSION could not be downloaded: it leads on to an address that is not encrypted/);
  }
});

test("a server whose certificate nobody vouches for, and a redirect to one that somebody does", async () => {
  const tls = await certificateFor("127.0.0.1");
  const secure = new Releases({ key: tls.private, cert: tls.cert });
  await secure.publish("1.2.4", key, smallProgram(made, "1.2.4"));
  const certificate = join(made, "ca.pem");
  writeFileSync(certificate, tls.cert);
  await refuses(/the certificate of \S+ cannot be trusted/, () =>
    update({ CODEMIE_INSTALL_BASE_URL: secure.base, NODE_TLS_REJECT_UNAUTHORIZED: "0" }),
  );
  for (const path of secure.asked.splice(0)) throw new Error(`asked for ${path}`);
  for (const name of ["SHA256SUMS", "SHA256SUMS.sig", ownArchive]) {
    releases.answers.set(`/v1.2.4/${name}`, () => Response.redirect(`${secure.base}/v1.2.4/${name}`));
  }
  releases.answers.set("/latest/VERSION", () => Response.redirect(`${secure.base}/latest/VERSION`));
  expect(await update({ CODEMIE_CA_CERTS: certificate })).toMatchObject({ code: 0 });
  await secure.close();
  Bun.spawnSync(["rm", "-rf", secure.folder]);
});

test("a build without a key updates nothing: there is nothing to check with", async () => {
  rmSync(installed);
  installed = installProgram(person, codemie);
  await refuses(/this build is unsigned: it has no key/);
  expect(releases.asked).toEqual([]);
});

test("what a package manager put there is left to it", async () => {
  const folder = join(person.home, "Cellar/codemie/1.0.0/bin");
  Bun.spawnSync(["mkdir", "-p", folder]);
  renameSync(installed, join(folder, "codemie"));
  installed = join(folder, "codemie");
  await refuses(/Homebrew installed this codemie/);
  await refuses(/use it instead: brew uninstall codemie/, () =>
    person.run(["self", "uninstall", "--yes"], { program: installed }),
  );
});

test("--rollback takes only what an update left: not a link, and nothing that others may write", async () => {
  const before = join(installed, "../.codemie.before");
  const back = () => update({}, "--rollback");
  await refuses(/there is no version before this one/, back);
  writeFileSync(before, readFileSync(marked("0.0.0")));
  chmodSync(before, 0o777);
  await refuses(/is not as codemie self update left it/, back);
  rmSync(before);
  Bun.spawnSync(["ln", "-s", marked("0.0.0"), before]);
  await refuses(/is not as codemie self update left it/, back);
  rmSync(before);
  writeFileSync(before, "#!/bin/sh\necho something else\n", { mode: 0o755 });
  await refuses(/does not run here/, back);
});

/** The program in a mount namespace of its own, after these commands. */
const mounted = (commands: string, ...args: string[]) =>
  person.run(["-rm", "sh", "-c", `${commands} && exec "$0" self update "$@"`, installed, ...args], {
    program: "unshare",
  });

testWithMounts("a folder that cannot be written: refused before anything is downloaded, --rollback too", async () => {
  expect((await update()).code).toBe(0);
  Bun.spawnSync(["mv", join(installed, "../.codemie.before"), installed]);
  writeFileSync(join(installed, "../.codemie.before"), readFileSync(smallProgram(made, "0.0.0")), { mode: 0o755 });
  releases.asked.length = 0;
  const bin = join(installed, "..");
  const ro = `mount --bind '${bin}' '${bin}' && mount -o remount,bind,ro '${bin}'`;
  await refuses(/cannot change \S+: the file system is read-only\nhint: see who owns the folder/, () => mounted(ro));
  await refuses(/cannot change \S+: the file system is read-only/, () => mounted(ro, "--rollback"));
  expect(releases.asked).toEqual(["/latest/VERSION"]);
});

testWithMounts("a full disk: nothing half is left", async () => {
  const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(90_000))).toString("base64");
  await releases.publish("1.2.3", key, smallProgram(made, "1.2.3", `: ${noise}\n`));
  const bin = join(installed, "..");
  const script = `mount -t tmpfs -o size=100k tmpfs '${bin}' && : > '${installed}' && mount --bind '${program}' '${installed}'
    "$0" self update; code=$?; echo "left: $(ls -A '${bin}')" >&2; exit $code`;
  await refuses(/cannot change \S+: the disk is full/, async () => {
    const ended = await person.run(["-rm", "sh", "-c", script, installed], { program: "unshare" });
    expect(ended.err).toEndWith("\nleft: codemie\n");
    return { ...ended, err: ended.err.replace("left: codemie\n", "") };
  });
  expect(readdirSync(bin)).toEqual(["codemie"]);
});
