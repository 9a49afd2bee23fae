import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { linkNames } from "../../src/cli/commands/agent/agents.ts";
import { codemie, Person } from "../support/codemie.ts";
import { certificateFor } from "../support/corporate.ts";
import { hello } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { endProxies, startDetached } from "../support/proxy.ts";
import { Pty } from "../support/pty.ts";
import { installProgram, Releases, signedProgram, signedVersion, smallProgram } from "../support/release.ts";
import { sharedSandbox } from "../support/shared.ts";

/** `codemie self`: a program that was installed replaces itself, goes back, and goes away. */

const sandbox = await sharedSandbox();
const { program, key } = await signedProgram();
const tls = await certificateFor("127.0.0.1");
const releases = new Releases({ key: tls.private, cert: tls.cert });
const certificate = join(releases.folder, "ca.pem");
writeFileSync(certificate, tls.cert);
const small = smallProgram(releases.folder, "99.0.0");
const small98 = smallProgram(releases.folder, "98.0.0");
await releases.publish("98.0.0", key, small98);
await releases.publish("99.0.0", key, small);
afterAll(async () => {
  await releases.close();
  Bun.spawnSync(["rm", "-rf", releases.folder]);
});

let person: Person;
let installed = "";
let bin = "";
beforeEach(() => {
  releases.answers.clear();
  releases.makeLatest("99.0.0");
  person = new Person();
  installed = installProgram(person, program);
  bin = join(installed, "..");
  Object.assign(person.env, { CODEMIE_INSTALL_BASE_URL: releases.base, CODEMIE_CA_CERTS: certificate });
});
afterEach(async () => {
  await endProxies(person);
});

const self = (...args: string[]) => person.run(["self", ...args], { program: installed });
const versionOf = (path: string) => Bun.spawnSync([path, "--version"]).stdout.toString().split(" ")[1];
const before = () => join(bin, ".codemie.before");

test("update puts the latest release in place and keeps the one before; --rollback goes back, and again", async () => {
  const { code, out, err } = await self("update");
  expect({ code, out }).toEqual({
    code: 0,
    out: `✓ codemie 99.0.0 is in ${bin}, in place of ${signedVersion}\n  codemie self update --rollback goes back\n`,
  });
  expect(err).toBe(`looking for a newer version…\ndownloading codemie 99.0.0, to replace ${signedVersion}\n`);
  expect(readFileSync(installed)).toEqual(readFileSync(small));
  expect(statSync(installed).mode & 0o777).toBe(0o755);
  expect([versionOf(before()), readdirSync(bin).sort()]).toEqual([signedVersion, [".codemie.before", "codemie"]]);
  // The small program knows no commands, so that the one before does it: it finds its place by its name.
  Bun.spawnSync(["mv", before(), installed]);
  writeFileSync(before(), readFileSync(small), { mode: 0o755 });
  const back = await self("update", "--rollback", "--json");
  expect(JSON.parse(back.out)).toEqual({
    version: "99.0.0",
    before: signedVersion,
    changed: true,
    program: installed,
    gateways: [],
  });
  expect([versionOf(installed), versionOf(before())]).toEqual(["99.0.0", signedVersion]);
});

test("the latest is here already: it says so, and fetches nothing else", async () => {
  await releases.publish(signedVersion, key, small);
  releases.asked.length = 0;
  const { code, out } = await self("update");
  expect({ code, out }).toEqual({ code: 0, out: `✓ ${signedVersion} is the latest\n` });
  expect(releases.asked).toEqual(["/latest/VERSION"]);
  expect(existsSync(before())).toBe(false);
});

test("a gateway that runs is named and goes on, through the update and back", async () => {
  await logIn(person, sandbox);
  const { version } = JSON.parse((await person.run(["--version", "--json"])).out);
  await releases.publish(version, key, codemie);
  const gateway = await startDetached(person, [], {}, installed);
  const ask = async () => {
    const headers = { authorization: `Bearer ${gateway.key}` };
    return (await fetch(`${gateway.url}/v1/messages`, { method: "POST", body: hello, headers })).status;
  };
  expect(await ask()).toBe(200);
  const { code, err, out } = await self("update");
  expect({ code, out }).toMatchObject({ code: 0, out: expect.stringContaining(`codemie ${version} is in`) });
  expect(err).toContain(
    `warning: the gateway of profile default (process ${gateway.pid}) goes on with the version that it was started with`,
  );
  expect(await ask()).toBe(200);
  expect(versionOf(installed)).toBe(version);
  const back = await self("update", "--rollback", "--json");
  expect(JSON.parse(back.out)).toMatchObject({
    version: signedVersion,
    before: version,
    gateways: [{ profile: "default", pid: gateway.pid }],
  });
  expect([versionOf(installed), versionOf(before()), await ask()]).toEqual([signedVersion, version, 200]);
  const stopped = await person.run(["proxy", "stop", "--json"], { program: installed });
  expect(stopped.code).toBe(0);
});

test("a program that runs knows its place after another took it: Linux adds a word to its path", async () => {
  const copy = join(person.root, "runtime");
  copyFileSync(process.execPath, copy);
  const script = `const { ownProgram } = await import(${JSON.stringify(join(import.meta.dir, "../../src/platform/self.ts"))});
    console.log("ready"); for await (const _ of Bun.stdin.stream()); console.log(ownProgram());`;
  const running = Bun.spawn([copy, "-e", script], { stdin: "pipe", stdout: "pipe" });
  const reader = running.stdout.getReader();
  await reader.read();
  Bun.spawnSync(["cp", copy, `${copy}.new`]);
  Bun.spawnSync(["mv", `${copy}.new`, copy]);
  void running.stdin.end();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe(`${copy}\n`);
});

test("two updates at once: one version or the other is there as a whole, and nothing is left over", async () => {
  const both = await Promise.all([self("update"), self("update")]);
  expect(both.map(({ code }) => code)).toContain(0);
  expect(readFileSync(installed)).toEqual(readFileSync(small));
  expect(readdirSync(bin).sort()).toEqual([".codemie.before", "codemie"]);
});

test("an update that was killed leaves a file, which the next one removes; that of one that runs stays", async () => {
  const gone = Bun.spawnSync(["true"]).pid;
  const [abandoned, others] = [`.codemie.${gone}.0123456789ab.tmp`, `.codemie.${process.pid}.0123456789ab.tmp`];
  for (const name of [abandoned, others]) writeFileSync(join(bin, name), "half");
  expect((await self("update")).code).toBe(0);
  expect(readdirSync(bin)).toContain(others);
  expect(readdirSync(bin)).not.toContain(abandoned);
});

test("Ctrl-C during the download: exit 130, and nothing is changed", async () => {
  const asked = Promise.withResolvers<void>();
  releases.answers.set("/v99.0.0/SHA256SUMS", () => {
    asked.resolve();
    return new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }));
  });
  const running = person.start(["self", "update"], { program: installed });
  await asked.promise;
  running.kill("SIGINT");
  expect((await running.finished()).code).toBe(130);
  expect(readdirSync(bin)).toEqual(["codemie"]);
});

test("link makes the other names; a file of somebody else's stays, and then nothing is made", async () => {
  writeFileSync(join(bin, "codemie-gemini"), "mine");
  const refused = await self("link");
  expect(refused).toMatchObject({
    code: 1,
    err: expect.stringContaining(`${bin}/codemie-gemini is there already, and is not a link to codemie`),
  });
  expect(readdirSync(bin).sort()).toEqual(["codemie", "codemie-gemini"]);
  Bun.spawnSync(["rm", join(bin, "codemie-gemini")]);
  symlinkSync("/opt/old/codemie", join(bin, "codemie-claude"));
  const { code, out } = await self("link");
  expect({ code, out }).toEqual({ code: 0, out: `✓ in ${bin}: ${linkNames.join(", ")}\n` });
  expect(linkNames.map((name) => readlinkSync(join(bin, name)))).toEqual(linkNames.map(() => "codemie"));
  expect((await self("link")).code).toBe(0);
  expect(readdirSync(bin)).toHaveLength(1 + linkNames.length);
});

test("doctor names the command for links that are missing", async () => {
  const { out } = await person.run(["doctor", "--json"], { program: installed });
  const found = JSON.parse(out).checks.find(({ id }: { id: string }) => id === "path");
  expect(found).toMatchObject({ status: "warning", hint: "codemie self link" });
});

test("doctor tells of a newer version; it asks once a day, and in CI never", async () => {
  const looked = async (env: Record<string, string> = {}) => {
    const { out } = await person.run(["doctor", "--json"], { program: installed, env });
    const { status, message, hint } = JSON.parse(out).checks.find(({ id }: { id: string }) => id === "version");
    return { status, message, hint };
  };
  releases.asked.length = 0;
  expect(await looked({ CI: "true" })).toMatchObject({ status: "skipped" });
  expect(releases.asked).toEqual([]);
  const newer = {
    status: "warning",
    message: `99.0.0 is out, and this is ${signedVersion}`,
    hint: "codemie self update",
  };
  expect(await looked()).toEqual(newer);
  expect(await looked()).toEqual(newer);
  expect(releases.asked).toEqual(["/latest/VERSION"]);
  const file = join(person.codemieHome, "run/latest-version.json");
  const kept = JSON.parse(readFileSync(file, "utf8"));
  writeFileSync(file, JSON.stringify({ ...kept, askedAt: kept.askedAt - 86_400_001 }));
  releases.answers.set("/latest/VERSION", () => new Response("a login page"));
  expect(await looked()).toEqual(newer);
  expect(await looked()).toEqual(newer);
  expect(releases.asked).toHaveLength(2);
  expect(await looked({ CODEMIE_INSTALL_BASE_URL: "http://example.com" })).toMatchObject({ status: "failed" });
});

test("uninstall asks twice: about the program, and about the logins", async () => {
  await logIn(person, sandbox);
  await self("link");
  const pty = new Pty(person, ["self", "uninstall"], {}, installed);
  await pty.shows(/remove these\? \[y\/N\]/);
  for (const name of ["codemie", ...linkNames]) expect(pty.screen).toContain(`${bin}/${name}`);
  pty.type("y\r");
  await pty.shows(/remove these too: your logins, settings and the audit trail\? \[y\/N\]/);
  expect(pty.screen).toContain(join(person.codemieHome, "vault"));
  pty.type("\r");
  expect(await pty.ended()).toBe(0);
  expect(readdirSync(bin)).toEqual([]);
  expect(existsSync(join(person.codemieHome, "vault"))).toBe(true);
});

test("uninstall without a terminal: asks for --yes; then logins stay, unless --all", async () => {
  await logIn(person, sandbox);
  await self("update");
  Bun.spawnSync(["mv", before(), installed]);
  writeFileSync(before(), "old", { mode: 0o755 });
  expect(await self("uninstall")).toMatchObject({ code: 2, err: expect.stringContaining("hint: add --yes") });
  expect(existsSync(installed)).toBe(true);
  const { code, out } = await self("uninstall", "--yes", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ removed: [installed, before()], kept: person.codemieHome });
  expect(readdirSync(bin)).toEqual([]);

  installProgram(person, program);
  const elsewhere = join(person.root, "links");
  Bun.spawnSync(["mkdir", elsewhere]);
  symlinkSync(installed, join(elsewhere, "codemie-claude"));
  person.env.PATH = `${elsewhere}:${person.env.PATH}`;
  writeFileSync(join(person.codemieHome, "notes.txt"), "mine");
  const all = await self("uninstall", "--yes", "--all");
  expect({ code: all.code, err: all.err }).toEqual({ code: 0, err: "" });
  expect(readdirSync(person.codemieHome)).toEqual(["notes.txt"]);
  expect(lstatSync(elsewhere).isDirectory() && readdirSync(elsewhere)).toEqual([]);
  expect(sandbox.record.some(({ path }) => path === "/oauth2/sign_out")).toBe(true);
});

test("uninstall --all: nothing that codemie makes in the base folder stays, and what others put there does", async () => {
  await logIn(person, sandbox);
  expect((await person.run(["config", "reset", "--yes"])).code).toBe(0);
  const at = (name: string) => join(person.codemieHome, name);
  const backup = readdirSync(person.codemieHome).find((name) => name.includes(".backup-")) ?? "";
  const left = [".codemie-cli.config.json.123.0123456789ab.tmp", ".vault.key.123.0123456789ab.tmp"];
  const folders = ["agents", "audit", "claude-plugin", "logs", "opencode-plugin", "run", "sessions", "vault"];
  for (const name of folders) mkdirSync(at(name), { recursive: true });
  for (const name of [...left, "vault.key", "codemie-cli.config.json"]) writeFileSync(at(name), "{}", { mode: 0o600 });
  const others = ["codemie-cli.config.json.mine", "opencode-plugin.txt", ".notes.tmp"];
  for (const name of others) writeFileSync(at(name), "mine");
  const { code, out } = await self("uninstall", "--yes", "--all", "--json");
  const { removed, kept } = JSON.parse(out);
  expect({ code, kept }).toEqual({ code: 0, kept: null });
  const all = [...folders, ...left, backup, "vault.key", "codemie-cli.config.json"].map(at);
  expect(removed.slice(1).toSorted()).toEqual(all.toSorted());
  expect(readdirSync(person.codemieHome).sort()).toEqual(others.toSorted());
});

test("uninstall waits for nobody's gateway: it names the one that runs, and changes nothing", async () => {
  await logIn(person, sandbox);
  const gateway = await startDetached(person, [], {}, installed);
  expect(await self("uninstall", "--yes")).toMatchObject({
    code: 1,
    err: expect.stringContaining(`the gateway of profile default still runs (process ${gateway.pid})`),
  });
  expect(existsSync(installed)).toBe(true);
});
