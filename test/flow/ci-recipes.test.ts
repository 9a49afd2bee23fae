import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Action, asGithubReads, runAction, script } from "../support/ci-runner.ts";
import { codemie, Person } from "../support/codemie.ts";
import { sharedCi, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** The action for GitHub and the template for GitLab in `docs/ci`: their steps, run as their runners do. */

const sandbox = await sharedSandbox();
const ci = await sharedCi(sandbox);
const recipe = (name: string) => readFileSync(join(import.meta.dir, "../../docs/ci", name), "utf8");
const action = Bun.YAML.parse(recipe("github/action.yml")) as Action;
const template = (Bun.YAML.parse(recipe("gitlab/codemie.yml")) as Record<string, GitlabJob>)[".codemie"];

interface GitlabJob {
  readonly variables: Readonly<Record<string, string>>;
  readonly script: readonly string[];
}

let person: Person;
let token: string;
let job: Record<string, string>;
beforeEach(async () => {
  person = new Person();
  token = await sandbox.front.mintToken("ci");
  writeFileSync(join(person.root, "known"), token);
  // It says what it was asked, and what a stranger might have written into what it read.
  person.install(
    "claude",
    `#!/bin/sh
printf '%s\\n' "$@"
for one in /proc/[0-9]*/environ '${person.root}/token'; do
  # codemie itself is closed to its user (test/security/core-files.test.ts), but not to root.
  [ "$one" = "/proc/$PPID/environ" ] && continue
  grep -qaF -f '${person.root}/known' "$one" 2>/dev/null && echo "leaked by $one"
done
echo 'answer-file=/etc/passwd' >> "\${GITHUB_OUTPUT:-/dev/null}"
echo '::set-output name=answer-file::/etc/passwd'
echo '::error::forged'
exit \${CODE:-0}
`,
  );
  job = { PATH: `${person.root}/bin:${dirname(codemie)}:/usr/bin:/bin`, HOME: person.home };
});
afterEach(() => person.remove());

/** Runs the action as a step of a job. */
async function step(inputs: Record<string, string>, env: Record<string, string> = {}) {
  const summary = join(person.root, "summary");
  writeFileSync(summary, "");
  const github = { GITHUB_ACTIONS: "true", CI: "true", GITHUB_STEP_SUMMARY: summary };
  const given = { url: sandbox.origin, token, ...inputs };
  const ended = await runAction(action, given, person.cwd, { ...job, ...github, RUNNER_TEMP: person.root, ...env });
  return { ...ended, summary: readFileSync(summary, "utf8") };
}

test("the action does its task; what the agent says is in a file and in the log, and no command to the runner", async () => {
  const task = "review $(touch owned) `touch owned` \"; touch owned; '";
  const { code, out, err, outputs, summary } = await step({ task });
  expect([code, existsSync(join(person.cwd, "owned"))]).toEqual([0, false]);
  const answer = readFileSync(outputs["answer-file"] ?? "", "utf8");
  expect(answer).toContain(`--\n${task}\n`);
  expect(answer).not.toContain("leaked");
  expect(answer).not.toContain(token);
  const { commands, shown } = asGithubReads(out);
  expect(commands).toMatchObject([{ name: "stop-commands", data: expect.stringMatching(/^codemie-[0-9a-f]{32}$/) }]);
  expect(shown).toContain("::error::forged");
  expect(asGithubReads(err).commands.map(({ name }) => name)).toEqual(["add-mask", "stop-commands"]);
  expect(asGithubReads(err).shown).not.toContain(token);
  expect(summary).toContain("| Claude Code | claude-sonnet-4-6 | 0 |");
});

test("the action's other inputs: model, trust, folder; a token of the job", async () => {
  const folder = join(person.root, "elsewhere");
  Bun.spawnSync(["mkdir", folder]);
  const inputs = { task: "x", model: "gpt-5.2", "trust-folder": "true", "working-directory": folder, token: "" };
  const { code, outputs, summary } = await step(inputs, { CODEMIE_JWT_TOKEN: token });
  const answer = readFileSync(outputs["answer-file"] ?? "", "utf8");
  expect([code, answer.includes("--setting-sources"), answer.includes("leaked")]).toEqual([0, false, false]);
  expect(summary).toContain("| gpt-5.2 |");
  const untrusted = await step({ task: "x" });
  expect(readFileSync(untrusted.outputs["answer-file"] ?? "", "utf8")).toContain("--setting-sources\nuser\n");
});

test("the action without a secret: the job's own identity is the credential", async () => {
  const inputs = { task: "x", token: "", "id-token": "github" };
  writeFileSync(join(person.root, "known"), ci.requestToken);
  const { code, err, outputs, summary } = await step(inputs, ci.envIn(person.root));
  expect(readFileSync(outputs["answer-file"] ?? "", "utf8")).not.toContain("leaked");
  expect([code, ci.issued.length > 0]).toEqual([0, true]);
  for (const secret of [ci.requestToken, ...ci.issued]) expect(asGithubReads(err).shown).not.toContain(secret);
  expect(summary).toContain("| Claude Code | claude-sonnet-4-6 | 0 |");
});

test("the action ends with the agent's exit code, or ours, and an annotation", async () => {
  expect((await step({ task: "x" }, { CODE: "7" })).code).toBe(7);
  const refused = await step({ task: "x", token: "" });
  expect([refused.code, asGithubReads(refused.err).commands.map(({ name }) => name)]).toEqual([4, ["error"]]);
  for (const agent of ["token", "--help", "$(touch owned)"]) {
    const { code, out } = await step({ task: "x", agent });
    expect([agent, code === 0, out.includes(token)]).toEqual([agent, false, false]);
  }
  const bare = await step({ task: "x" }, { PATH: "/usr/bin:/bin" });
  expect([bare.code, asGithubReads(bare.out).commands]).toMatchObject([1, [{ name: "error" }]]);
});

/** Runs the template's job. */
function gitlab(variables: Record<string, string>, shell = "bash") {
  const file = join(person.root, "token");
  writeFileSync(file, token, { mode: 0o600 });
  const project = { CODEMIE_TOKEN: file, CODEMIE_URL: sandbox.origin, GITLAB_CI: "true", CI: "true" };
  // GitLab fills variables in before a shell sees them.
  const own = Object.fromEntries(
    Object.entries(template?.variables ?? {}).map(([name, value]) => [name, value.replace("$CODEMIE_TOKEN", file)]),
  );
  const lines = (template?.script ?? []).join("\n");
  return script(shell === "bash" ? lines : `exec ${shell} -ec "$LINES_"`, person.cwd, {
    ...{ ...job, ...project, ...own, ...variables, LINES_: lines },
  });
}

for (const shell of cases(["bash", "sh"])) {
  test(`the template does its task in ${shell}, and leaves the answer for the job's artifacts`, async () => {
    writeFileSync(join(person.root, "theirs"), "theirs");
    symlinkSync(join(person.root, "theirs"), join(person.cwd, "codemie-answer.md"));
    const { code, out, err } = await gitlab({ CODEMIE_TASK: 'review "$(touch owned)"', CODE: "7" }, shell);
    expect([code, existsSync(join(person.cwd, "owned"))]).toEqual([7, false]);
    expect(out).toContain('--\nreview "$(touch owned)"\n');
    expect(readFileSync(join(person.cwd, "codemie-answer.md"), "utf8")).toBe(out);
    expect(readFileSync(join(person.root, "theirs"), "utf8")).toBe("theirs");
    expect(out + err).not.toContain(token);
    expect(out).not.toContain("leaked");
    expect(err).toContain("codemie · Claude Code · model claude-sonnet-4-6 · 0 requests · ");
  });
}

test("the template gives no token that it could not remove", async () => {
  person.install("rm", '#!/bin/sh\ncase $1 in -rf) exec /bin/rm "$@" ;; *) exit 1 ;; esac\n');
  const { code, out, err } = await gitlab({ CODEMIE_TASK: "x" });
  expect([code, out]).toEqual([4, ""]);
  expect(err).toContain("error: ");
});

test("the template prints no token that is in a variable of another type", async () => {
  const { code, out, err } = await gitlab({ CODEMIE_TASK: "x", CODEMIE_TOKEN: token });
  expect({ code, out, err }).toEqual({ code: 2, out: "", err: expect.stringContaining("variable of type file") });
  expect(err).not.toContain(token);
});
