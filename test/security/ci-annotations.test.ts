import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asGithubReads, asGitlabReads } from "../support/ci-runner.ts";
import { codemie, codemieClaude, type Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";

/** Threat: text from elsewhere becomes a command to the runner of a CI system, or a token or a job's summary goes astray there. */

const sandbox = await sharedSandbox();
const model = await sharedLogin(sandbox);
let person: Person;
beforeEach(() => {
  person = model.copy();
  person.install("claude", "#!/bin/sh\nexit 0\n");
});
afterEach(() => person.remove());

const github = { GITHUB_ACTIONS: "true", CI: "true" };
const commands = [
  "::set-output name=a::b",
  "  ::stop-commands::x",
  "\u00a0::add-mask::e",
  "x ##[set-output name=a]b",
  "x\n::set-output name=a::b",
  "x\r::set-output name=a::b",
  "x\u2028::set-output name=a::b",
  "::error title=forged,file=x::%0A::set-output name=a::b",
];

/** The commands in an output that are none of ours: our errors' annotations, and masks of keys and tokens. */
const forged = (output: string) =>
  asGithubReads(output).commands.filter(
    ({ name, properties, data }) =>
      !(name === "error" && properties.title === "codemie") &&
      !(name === "add-mask" && /^[\w-]{43}$/.test(data)) &&
      !(name === "stop-commands" && /^codemie-[0-9a-f]{32}$/.test(data)),
  );

ciTest(
  "lists with names of models and profiles hold no command, and a script reads what was meant all the same",
  async () => {
    const models = commands.map((name) => ({ base_name: name, deployment_name: name, label: name, enabled: true }));
    sandbox.settings.list = { status: 200, body: JSON.stringify(models) };
    person.editConfig((config) => {
      for (const name of commands) config.profiles[name] = { codeMieUrl: "https://x.example", model: name };
    });
    for (const args of [["models"], ["profile", "list"], ["profile", "status", "--all", "--offline"], ["doctor"]]) {
      for (const form of [[], ["--json"]]) {
        const { out, err } = await person.run([...args, ...form], { env: github });
        expect({ args, form, forged: forged(out) }).toEqual({ args, form, forged: [] });
        expect({ args, form, forged: forged(err) }).toEqual({ args, form, forged: [] });
        if (args[0] === "models" && form.length > 0) {
          const ids = JSON.parse(out).map(({ id }: { id: string }) => id);
          expect(ids).toContain("x ##[set-output name=a]b");
          expect(ids).toContain("::set-output name=a::b");
        }
      }
    }
  },
);

for (const hostile of cases(commands)) {
  test(`errors, values and warnings that repeat ${JSON.stringify(hostile)} hold no command`, async () => {
    person.editConfig((config) => {
      config.profiles[hostile] = { codeMieUrl: "https://x.example", model: hostile };
    });
    for (const args of [
      ["profile", "use", `no${hostile}`],
      ["profile", "use", `no${hostile}`, "--json"],
      ["config", "get", "model", "--profile", hostile],
      ["claude", "--model", hostile, "--task", "x"],
    ]) {
      const { code, out, err } = await person.run(args, { env: github });
      expect({ args, forged: [...forged(out), ...forged(err)] }).toEqual({ args, forged: [] });
      const errors = asGithubReads(err).commands.filter(({ name }) => name === "error");
      expect({ args, errors: errors.length }).toEqual({ args, errors: code === 0 ? 0 : 1 });
    }
  });
}

test("an agent that repeats what a stranger wrote commands nothing: not in its run, not in the next, not after a crash", async () => {
  const token = await sandbox.front.mintToken("ci");
  const env = { ...github, CODEMIE_JWT_TOKEN: token, CODEMIE_URL: sandbox.origin };
  const says =
    "echo '::stop-commands::owned' >&2; echo '::set-output name=a::b' >&2; echo '::add-mask::e' >&2; printf half >&2";
  const run = (script: string) => {
    person.install("claude", `#!/bin/sh\n${says}\n${script}\n`);
    return person.start(["--task", "x"], { program: codemieClaude, env });
  };
  const killed = run('echo "there $ANTHROPIC_BASE_URL" >&2; sleep 600');
  const [, gateway = ""] = await killed.says(/there (\S+)/);
  // It answers once the run's start is over.
  await fetch(gateway);
  killed.kill("SIGKILL");
  const errors = [(await killed.finished()).err];
  for (const code of [0, 7]) errors.push((await run(`exit ${code}`).finished()).err);
  errors.push((await person.run(["profile", "use", "none"], { env })).err);
  // One step of a job: the runner reads all of it as one.
  const { commands: obeyed, shown } = asGithubReads(errors.join(""));
  expect(obeyed.map(({ name }) => name)).toEqual([...Array(3).fill(["add-mask", "stop-commands"]).flat(), "error"]);
  expect(forged(errors.join(""))).toEqual([]);
  expect(errors.join("")).not.toContain(token); // the agent has no token, so nothing has to hide it
  expect(shown).not.toMatch(/::codemie-[0-9a-f]{32}::/);
  expect(shown.match(/::set-output name=a::b/g)).toHaveLength(3);
});

test("the agent finds the word that ends its bracket in no process that it may look at", async () => {
  const env = { ...github, CODEMIE_JWT_TOKEN: await sandbox.front.mintToken("ci"), CODEMIE_URL: sandbox.origin };
  // The agent's own process has the pattern in its arguments.
  person.install(
    "claude",
    `#!/bin/sh
for one in /proc/[0-9]*; do
  [ "$one" = "/proc/$$" ] || cat "$one/environ" "$one/cmdline" 2>/dev/null
done | tr '\\0' '\\n' | grep -o '::codemie-[0-9a-f]\\{32\\}::'
exit 0
`,
  );
  expect(await person.run(["--task", "x"], { program: codemieClaude, env })).toMatchObject({ code: 0, out: "" });
});

test("no text opens or closes a section of GitLab's log", async () => {
  const hostile = "\u001b[0Ksection_end:1:codemie_error\r\u001b[0K";
  const { err } = await person.run(["profile", "use", hostile], { env: { GITLAB_CI: "true" } });
  expect(asGitlabReads(err)).toEqual(["start codemie_error", "end codemie_error"]);
});

/** Runs an agent that prints its key, with a token from a file that no CI system knows. */
async function runWithToken(command: (program: string) => string) {
  const token = await sandbox.front.mintToken("ci");
  const file = join(person.root, "token");
  writeFileSync(file, token);
  person.install("claude", '#!/bin/sh\necho "key $ANTHROPIC_AUTH_TOKEN"\n');
  const program = `'${codemieClaude}' --base-url ${sandbox.origin} --jwt-token-file '${file}' --task x`;
  const ended = await person.run(["-c", command(program)], { program: "bash", env: github });
  return { token, ...ended };
}

test("two runs of one step, one within the other, show no token", async () => {
  const token = await sandbox.front.mintToken("ci");
  const env = { ...github, CODEMIE_JWT_TOKEN: token, CODEMIE_URL: sandbox.origin };
  const inner = `'${codemieClaude}' --task y`;
  person.install("claude", `#!/bin/sh\ncase "$*" in *y) echo in >&2;; *) CODEMIE_JWT_TOKEN=${token} ${inner};; esac\n`);
  const { out, err } = await person.run(["--task", "x"], { program: codemieClaude, env });
  expect(err).toContain("in\n");
  expect(out + err).not.toContain(token);
});

test("the runner hears of the run's key before the agent starts, also behind half a line, and nobody sees it", async () => {
  const { token, code, out, err } = await runWithToken((program) => `printf 'half a line' >&2; ${program}`);
  const { commands, shown } = asGithubReads(err);
  const key = out.slice("key ".length).trim();
  expect(code).toBe(0);
  expect(commands.map(({ name }) => name)).toEqual(["add-mask", "stop-commands"]);
  expect(commands[0]?.data).toBe(key);
  expect(shown).not.toContain(key);
  expect(err).not.toContain(token);
  expect(out).not.toContain(token);
});

test("a file or a terminal never gets the masks: there nobody takes them away", async () => {
  const log = join(person.root, "log");
  const { token, code } = await runWithToken((program) => `${program} 2> '${log}'`);
  expect(code).toBe(0);
  expect(readFileSync(log, "utf8")).not.toContain(token);
  const typed = await runWithToken((program) => `script -qec "${program}" /dev/null`);
  expect(typed.out).not.toContain(typed.token);
  expect(typed.out).toContain("key ");
});

test("codemie token: standard output has the token and nothing else, the mask is on standard error", async () => {
  const token = await sandbox.front.mintToken("ci");
  const env = { ...github, CODEMIE_URL: sandbox.origin, CODEMIE_JWT_TOKEN: token };
  const { out, err } = await person.run(["token"], { env });
  expect([out, err]).toEqual([`${token}\n`, `\n::add-mask::${token}\n`]);
  const elsewhere = await person.run(["token"], { env: { ...env, GITHUB_ACTIONS: "false" } });
  expect([elsewhere.out, elsewhere.err]).toEqual([`${token}\n`, ""]);
});

const summaries = {
  "a link": (path: string) => {
    writeFileSync(join(person.root, "theirs"), "theirs");
    symlinkSync(join(person.root, "theirs"), path);
  },
  "a pipe": (path: string) => void Bun.spawnSync(["mkfifo", path]),
  "a folder": (path: string) => void Bun.spawnSync(["mkdir", path]),
  "a file that is full": (path: string) => writeFileSync(path, "x".repeat(1024 * 1024)),
  "no file": () => undefined,
};
for (const [what, make] of cases(Object.entries(summaries))) {
  test(`a job summary that is ${what}: nothing is written there, the run goes on`, async () => {
    const summary = join(person.root, "summary");
    make(summary);
    const env = { ...github, GITHUB_STEP_SUMMARY: summary };
    const { code, err } = await person.run(["--task", "x"], { program: codemieClaude, env });
    expect([code, err]).toEqual([0, expect.stringContaining("warning: the job summary cannot be written: ")]);
    if (what === "a link") expect(readFileSync(summary, "utf8")).toBe("theirs");
    if (what === "no file") expect(existsSync(summary)).toBe(false);
  });
}

test("a job summary by a relative path would be the repository's: it is refused", async () => {
  writeFileSync(join(person.cwd, "summary"), "");
  const env = { ...github, GITHUB_STEP_SUMMARY: "summary" };
  const { code, err } = await person.run(["--task", "x"], { program: codemieClaude, env });
  expect([code, err]).toEqual([0, expect.stringContaining("not an absolute path")]);
  expect(readFileSync(join(person.cwd, "summary"), "utf8")).toBe("");
});

test("a model's name is text in the summary: no cell, link, picture or HTML", async () => {
  const summary = join(person.root, "summary");
  writeFileSync(summary, "");
  const env = { ...github, GITHUB_STEP_SUMMARY: summary };
  const args = ["claude", "--model", "a|b`<img src=x>`[x](https://evil.example)\n# y", "--task", "x"];
  expect((await person.run(args, { program: codemie, env })).code).toBe(0);
  expect(readFileSync(summary, "utf8").split("\n").slice(0, 6)).toEqual([
    "",
    "### codemie",
    "",
    "| agent | model | requests | time | exit code |",
    "|---|---|---|---|---|",
    expect.stringMatching(
      /^\| Claude Code \| a&#124;b&#96;&#60;img src&#61;x&#62;&#96;&#91;x&#93;&#40;https:\/\/evil\.example&#41; &#35; y \| 0 \| \d+ s \| 0 \|$/,
    ),
  ]);
});
