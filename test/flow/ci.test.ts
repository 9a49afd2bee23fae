import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { asGithubReads, asGitlabReads, script } from "../support/ci-runner.ts";
import { codemie, Person } from "../support/codemie.ts";
import { readDocument } from "../support/markdown.ts";
import { commandOf, someone, testWithOthers } from "../support/other-user.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases, ciTest } from "../support/tiers.ts";
import { part } from "../support/token.ts";

/** Pipelines: the lines that people copy, on machines with nothing set up; what a CI system's log and summary get. */

const sandbox = await sharedSandbox();
let person: Person;
let token: string;
/** Nothing but the programs, what the job sets, and an empty home: without `HOME` the system's would be used, a developer's own. */
let job: Record<string, string>;

/** Makes one model call, as every agent does, and ends. */
const agent = (url: string, key: string) => `#!/bin/sh
for last; do :; done
printf 'header = "authorization: Bearer %s"' "${key}" | /usr/bin/curl -sf --config - --noproxy '*' -o /dev/null -d '{}' "${url}" || exit 9
echo "did: $last"
`;

beforeEach(async () => {
  person = new Person();
  person.install("claude", agent("$ANTHROPIC_BASE_URL/v1/messages", "$ANTHROPIC_AUTH_TOKEN"));
  const option = (name: string) => `$(printf %s "$OPENCODE_CONFIG_CONTENT" | sed 's/.*"${name}":"\\([^"]*\\)".*/\\1/')`;
  person.install("opencode", agent(`${option("baseURL")}/chat/completions`, option("apiKey")));
  token = await sandbox.front.mintToken("ci");
  job = {
    PATH: `${person.root}/bin:${dirname(codemie)}:/usr/bin:/bin`,
    HOME: person.home,
    CODEMIE_URL: sandbox.origin,
    CODEMIE_JWT_TOKEN: token,
  };
});
afterEach(() => person.remove());

const run = (line: string, env = job) => script(line, person.cwd, env);

/** Lines of the existing command line's guide, as they stand there; a runner fills in its `${{ … }}`. */
const guide: [where: string, lines: string, does: string][] = [
  [
    "GitLab CI",
    // YAML folds the lines of a plain scalar into one.
    `codemie-claude
      --jwt-token "$CODEMIE_JWT_TOKEN"
      --task "Review the changes in this commit and report any issues"`.replace(/\n\s*/g, " "),
    "Review the changes in this commit and report any issues",
  ],
  [
    "GitHub Actions",
    `codemie-claude \\
      --jwt-token "\${{ secrets.CODEMIE_JWT_TOKEN }}" \\
      --task "Check for security issues in the staged files" \\
      --silent`,
    "Check for security issues in the staged files",
  ],
  [
    "OpenCode in CI",
    `codemie-opencode \\
      --jwt-token "\${{ secrets.CODEMIE_JWT_TOKEN }}" \\
      --task "Fix all findings from the code review"`,
    "Fix all findings from the code review",
  ],
  [
    "an external auth system",
    `# Obtain token from your auth provider
TOKEN=$(curl -s https://auth.example.com/token | jq -r .access_token)

# Run a task with that token — no setup needed
codemie-claude --jwt-token "$TOKEN" --task "analyze this codebase"`,
    "analyze this codebase",
  ],
  ["a token of the environment", 'codemie-claude --task "run a quick code review"', "run a quick code review"],
  ["a prompt without --task", 'codemie-claude "analyze this code"', "analyze this code"],
];

for (const [where, lines, does] of cases(guide)) {
  test(`the guide's lines for ${where}, with an empty environment`, async () => {
    person.install(
      "curl",
      `#!/bin/sh\n[ "$2" = https://auth.example.com/token ] && echo '{"access_token":"${token}"}'\n`,
    );
    person.install("jq", `#!/bin/sh\nsed 's/.*:"\\(.*\\)".*/\\1/'\n`);
    const { code, out, err } = await run(lines.replace(/\$\{\{ secrets\.CODEMIE_JWT_TOKEN \}\}/g, token));
    expect([code, out]).toEqual([0, `did: ${does}\n`]);
    expect(out + err).not.toContain(token);
    expect(sandbox.record.at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
  });
}

const readme = readDocument("README.md", readFileSync(join(import.meta.dir, "../../README.md"), "utf8"));
for (const [language, mark, host] of cases([
  ["yaml", "- run:", "GitHub Actions"],
  ["yaml", "script:", "GitLab CI"],
  ["groovy", "withCredentials", "Jenkins"],
] as const)) {
  test(`the README's lines for ${host}`, async () => {
    const block = readme.blocks.find((one) => one.language === language && one.text.includes(mark))?.text ?? "";
    const line = /(?:- run: |- (?=\(rm)|sh ')(.*?)'?$/m.exec(block)?.[1] ?? "";
    expect(line).toContain('--task "review the last commit"');
    const file = join(person.root, "token");
    writeFileSync(file, token, { mode: 0o600 });
    const { CODEMIE_JWT_TOKEN: _, CODEMIE_URL: __, ...bare } = job;
    const given = {
      "GitHub Actions": { CODEMIE_JWT_TOKEN: token, CODEMIE_URL: sandbox.origin },
      "GitLab CI": { CODEMIE_TOKEN: file, CODEMIE_URL: sandbox.origin },
      Jenkins: { TOKEN: file },
    }[host];
    for (const name of Object.keys(given)) expect(block).toContain(name);
    const { code, out, err } = await run(line.replace("https://codemie.example.com", sandbox.origin), {
      ...bare,
      ...given,
    });
    expect([code, out, err]).toEqual([0, "did: review the last commit\n", ""]);
    expect(existsSync(file)).toBe(host === "GitHub Actions");
  });
}

const task = 'codemie-claude --task "review" --silent';
for (const [what, line, env] of cases([
  ["a home that nobody can make", task, { HOME: "/proc/nowhere" }],
  ["a home that cannot be written", task, { HOME: "/proc" }],
  ["standard input closed", `${task} <&-`, {}],
  ["standard error closed", `${task} 2>&-`, {}],
  ["a terminal that nobody sits at, in CI", `script -qec '${task}' /dev/null`, { CI: "true" }],
] as const)) {
  test(`${what}: the task is done`, async () => {
    const { code, out } = await run(line, { ...job, ...env });
    expect([code, out.trim()]).toEqual([0, "did: review"]);
  });
}

testWithOthers("another user, with no home at all, or one that is not theirs: the task is done", async () => {
  for (const folder of [person.root, join(person.root, "bin"), person.cwd]) chmodSync(folder, 0o755);
  const { HOME: _, ...homeless } = job;
  for (const own of [{}, { HOME: "/" }, { HOME: person.home }] as Record<string, string>[]) {
    const line = commandOf(someone, "bash", "-c", `'${task}'`).join(" ");
    const { code, out, err } = await run(line, { ...homeless, ...own });
    expect([code, out, err]).toEqual([0, "did: review\n", ""]);
  }
});

const ended = `${part({ alg: "RS256" })}.${part({ exp: 1 })}.x`;
for (const [what, line, env, expected] of cases([
  ["no token", task, { CODEMIE_JWT_TOKEN: "" }, 4],
  ["an ended token", task, { CODEMIE_JWT_TOKEN: ended }, 4],
  ["a token's file that is missing", task, { CODEMIE_JWT_TOKEN: "", CODEMIE_JWT_TOKEN_FILE: "/proc/nowhere" }, 4],
  ["no host", task, { CODEMIE_URL: "" }, 2],
  ["a host that is down", task, { CODEMIE_URL: "http://127.0.0.1:9" }, 5],
  ["no agent", task, { PATH: `${dirname(codemie)}:/usr/bin:/bin` }, 1],
  ["a flag mistyped", 'codemie-claude --jwt-tokn "$CODEMIE_JWT_TOKEN" --task x', {}, 2],
  ["a token to be typed, and nobody there", "codemie-claude --jwt-token - --task x <&-", {}, 4],
  ["a login, and nobody there", "codemie profile login --yes --no-browser --timeout 1", { CODEMIE_JWT_TOKEN: "" }, 4],
  ["a set-up without flags", "codemie setup", { CODEMIE_URL: "" }, 2],
] as const)) {
  test(`${what}: exit ${expected}, with an error and a hint`, async () => {
    const { code, out, err } = await run(line, { ...job, HOME: person.home, CODEMIE_BROWSER: "none", ...env });
    expect([code, out]).toEqual([expected, ""]);
    expect(err).toMatch(/^error: .+\n(?:.*\n)*hint: .+\n$/m);
    expect(err).not.toContain(token);
  });
}

ciTest("twenty jobs at the same time, with one home and a token each, do not disturb each other", async () => {
  const jobs = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const own = await sandbox.front.mintToken(`job-${n}`);
      const summary = join(person.root, `summary-${n}`);
      writeFileSync(summary, "");
      const env = {
        ...job,
        HOME: person.home,
        CODEMIE_JWT_TOKEN: own,
        GITHUB_ACTIONS: "true",
        GITHUB_STEP_SUMMARY: summary,
      };
      return { n, own, summary, ended: await run(`codemie-claude --task "job ${n}"`, env) };
    }),
  );
  for (const { n, own, summary, ended } of jobs) {
    expect([n, ended.code, ended.out]).toEqual([n, 0, `did: job ${n}\n`]);
    // Twenty at once may wait for the host.
    expect(asGithubReads(ended.err).shown).toMatch(/^\s*(waiting for .*\n)?\s*$/);
    expect(readFileSync(summary, "utf8")).toMatch(/\| Claude Code \| claude-sonnet-4-6 \| 1 \| \d+ s \| 0 \|/);
    expect(
      sandbox.calls("/v1/messages").filter(({ headers }) => headers.authorization === `Bearer ${own}`),
    ).toHaveLength(1);
  }
  expect(readdirSync(join(person.codemieHome, "run")).filter((name) => name.startsWith("agent-"))).toEqual([]);
});

test("GitHub Actions: an error is an annotation too, with its hint; the lines stay as they are", async () => {
  const env = { ...job, CODEMIE_JWT_TOKEN: ended, GITHUB_ACTIONS: "true" };
  const { code, out, err } = await run(task, env);
  const { commands, shown } = asGithubReads(err);
  expect([code, out]).toEqual([4, ""]);
  expect(shown).toStartWith("error: the bearer token expired");
  expect(commands).toEqual([
    { name: "error", properties: { title: "codemie" }, data: shown.trim().replace(/^error: /, "") },
  ]);
  const json = await run("codemie models --json", env);
  expect(JSON.parse(json.out).error.code).toBe("auth_expired");
  expect(asGithubReads(json.err)).toMatchObject({ commands: [{ name: "error" }], shown: "" });
  // In a file, an annotation would be read by nobody.
  const log = join(person.root, "log");
  await run(`${task} 2> '${log}'`, env);
  expect(readFileSync(log, "utf8")).toBe(shown);
});

test("GitHub Actions: the job's summary has agent, model, requests, time and exit code, below what is there", async () => {
  const summary = join(person.root, "summary");
  writeFileSync(summary, "mine\n");
  person.install("claude", `${agent("$ANTHROPIC_BASE_URL/v1/messages", "$ANTHROPIC_AUTH_TOKEN")}exit 3\n`);
  const { code, out } = await run(task, { ...job, GITHUB_ACTIONS: "true", GITHUB_STEP_SUMMARY: summary });
  expect([code, out]).toEqual([3, "did: review\n"]);
  expect(readFileSync(summary, "utf8")).toMatch(
    /^mine\n\n### codemie\n\n\| agent \| model \| requests \| time \| exit code \|\n\|(?:---\|){5}\n\| Claude Code \| claude-sonnet-4-6 \| 1 \| \d+ s \| 3 \|\n$/,
  );
});

test("GitLab: an error is a section of the log, a run a line of it", async () => {
  const failed = await run(task, { ...job, CODEMIE_JWT_TOKEN: ended, GITLAB_CI: "true" });
  expect([failed.code, asGitlabReads(failed.err)]).toEqual([4, ["start codemie_error", "end codemie_error"]]);
  expect(failed.err).toMatch(/^error: the bearer token expired .*\nhint: /m);
  const done = await run('codemie-claude --task "review"', { ...job, GITLAB_CI: "true" });
  expect([done.code, done.out]).toEqual([0, "did: review\n"]);
  expect(done.err).toMatch(/^codemie · Claude Code · model claude-sonnet-4-6 · 1 request · \d+ s\n$/);
  const silent = await run(task, { ...job, GITLAB_CI: "true" });
  expect([silent.code, silent.err]).toEqual([0, ""]);
});
