import { afterEach, beforeEach, expect, test } from "bun:test";
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Person } from "../support/codemie.ts";

/** `codemie install`: an agent from npm, whose place a recording program takes. */

let person: Person;
let seen = "";
beforeEach(() => {
  person = new Person();
  seen = join(person.root, "seen");
});
afterEach(() => person.remove());

/** @param script what npm does after it has written down how it was called */
const npm = (script: string) =>
  person.install(
    "npm",
    `#!/bin/sh\nprintf '%s\\n' "$*" "$PWD" "[$CODEMIE_JWT_TOKEN]" > '${seen}'\necho chatter\n${script}\n`,
  );
const agent = () =>
  `printf '#!/bin/sh\\necho 9.9.9\\n' > '${join(person.root, "bin/codex")}'; chmod +x '${join(person.root, "bin/codex")}'`;
/** A PATH with the shell's own programs, and no agent or npm. */
function barePath(): void {
  const bin = join(person.root, "bare");
  person.install("nothing", "#!/bin/sh\n");
  Bun.spawnSync(["mkdir", "-p", bin]);
  for (const name of ["sh", "chmod", "env"]) symlinkSync(Bun.which(name) ?? "", join(bin, name));
  person.env.PATH = `${join(person.root, "bin")}:${bin}`;
}

test("npm installs it, from nobody's folder, without our secrets; then it is there", async () => {
  barePath();
  npm(agent());
  writeFileSync(join(person.cwd, ".npmrc"), "registry=http://127.0.0.1:9/\n");
  const { code, out, err } = await person.run(["install", "codex"], { env: { CODEMIE_JWT_TOKEN: "secret" } });
  expect([code, out]).toEqual([
    0,
    expect.stringContaining(`✓ Codex is installed: ${join(person.root, "bin/codex")} (9.9.9)`),
  ]);
  expect(err).toContain("installing Codex: npm install -g @openai/codex");
  expect((await Bun.file(seen).text()).split("\n").slice(0, 3)).toEqual(["install -g @openai/codex", "/", "[]"]);
  npm("exit 1");
  const again = await person.run(["install", "codex", "--json"]);
  expect(JSON.parse(again.out)).toEqual({
    name: "codex",
    path: join(person.root, "bin/codex"),
    version: "9.9.9",
    installed: false,
  });
});

for (const [what, prepare, name, code, says] of [
  ["no npm", () => undefined, "claude", 1, "install Node.js, then: npm install -g @anthropic-ai/claude-code"],
  ["npm that fails", () => npm("echo no room >&2; exit 3"), "gemini", 1, "npm did not install Gemini CLI"],
  ["npm that installs elsewhere", () => npm("exit 0"), "opencode", 1, "opencode is not on PATH"],
  ["a name that is no agent", () => undefined, "cursor", 2, "claude, opencode, codex, gemini"],
] as const) {
  test(`${what}: said, with what to do`, async () => {
    barePath();
    prepare();
    const ended = await person.run(["install", name]);
    expect([ended.code, ended.out]).toEqual([code, ""]);
    expect(ended.err.replaceAll(/\s+/g, " ")).toContain(says);
  });
}
