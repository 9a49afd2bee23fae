import { expect, test } from "bun:test";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { codemie, codemieClaude, codemieMcpProxy, Person } from "../support/codemie.ts";
import { sharedLogin, sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** What may come next, asked by the real shells. PowerShell is not among Debian's packages; its script is the only one not run. */

const sandbox = await sharedSandbox();
const person = await sharedLogin(sandbox);
// the models are completed as they were last listed
await person.run(["models"]);
const bin = join(person.root, "bin");
mkdirSync(bin);
symlinkSync(codemie, join(bin, "codemie"));
symlinkSync(codemieClaude, join(bin, "codemie-claude"));
symlinkSync(codemieMcpProxy, join(bin, "codemie-mcp-proxy"));
const env: Record<string, string> = { ...person.env, PATH: `${bin}:${person.env.PATH}` };

const asked: [string[], string[]][] = [
  [["codemie", "prof"], ["profile"]],
  [
    ["codemie", "profile", "l"],
    ["login", "logout", "list"],
  ],
  [["codemie", "profile", "use", ""], ["default"]],
  [["codemie", "who"], ["whoami"]],
  [
    ["codemie", "proxy", "env", "c"],
    ["claude", "codex", "cursor", "cline", "curl"],
  ],
  [["codemie", "install", "o"], ["opencode"]],
  [["codemie", "login", "--client-i"], ["--client-id"]],
  [["codemie", "status", "--profile", "d"], ["default"]],
  [
    ["codemie-mcp-proxy", "--header-"],
    ["--header-env", "--header-file"],
  ],
  [
    ["codemie", "mcp-proxy", "https://mcp.example.com", "--transport", ""],
    ["auto", "http", "sse"],
  ],
  [["codemie", "profile", "login", "--client-i"], ["--client-id"]],
  [
    ["codemie", "profile", "login", "--no"],
    ["--no-browser", "--no-color"],
  ],
  [["codemie", "models", "--profile", "d"], ["default"]],
  [["codemie", "config", "set", "mo"], ["model"]],
  [
    ["codemie", "config", "set", "model", "claude-"],
    ["claude-sonnet-4-6", "claude-haiku-4-5"],
  ],
  [
    ["codemie", "setup", "--method", ""],
    ["sso", "oidc", "jwt", "api-key"],
  ],
  [
    ["codemie", "claude", "--model", "claude-"],
    ["claude-sonnet-4-6", "claude-haiku-4-5"],
  ],
  [["codemie-claude", "-m", "gpt"], ["gpt-5.2"]],
  [["codemie-claude", "--tas"], ["--task"]],
];

/** Asks a shell to complete; it prints a word a line. */
const ask: Record<string, (words: string[]) => string[]> = {
  bash: (words) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const script = `eval "$(codemie completion bash)"; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _codemie; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return ["bash", "--norc", "-c", script];
  },
  zsh: (words) => {
    const list = words.map((word) => `'${word}'`).join(" ");
    // the shell's own function that shows the candidates is replaced by one that prints them
    const script = `compdef() { : }; _describe() { print -l -- \${\${(P)2}%%:*} }; _files() { : }
eval "$(codemie completion zsh)"; words=(${list}); CURRENT=${words.length}; _codemie`;
    return ["zsh", "-f", "-c", script];
  },
  fish: (words) => [
    "fish",
    "--no-config",
    "-c",
    `codemie completion fish | source; complete -C '${words.join(" ")}' | string replace -r '\\t.*' ''`,
  ],
};

for (const shell of cases(Object.keys(ask), 1)) {
  test(`${shell} completes commands, flags, profiles and models`, async () => {
    for (const [words, expected] of asked) {
      const child = Bun.spawn(ask[shell]?.(words) ?? [], { cwd: person.cwd, env, stderr: "pipe" });
      const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
      const found = out.split("\n").filter(Boolean);
      expect({ words, found: found.sort(), err }).toEqual({
        words,
        found: expected.toSorted(),
        err: "",
      });
    }
  });
}

test("a model whose name is more than a word is not offered", async () => {
  const answer = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ data: [{ id: "$(touch pwned)" }, { id: "good" }, { id: "a b" }, { id: "`x`" }] }),
  });
  const other = new Person();
  const url = `http://127.0.0.1:${answer.port}`;
  await other.run(["setup", "--provider", "openai", "--url", url, "--key-stdin", "--yes"], { stdin: "sk-12345678" });
  await other.run(["models"]);
  expect((await other.run(["__complete", "claude", "--model", ""])).out).toBe("good\tgood\n");
  await answer.stop(true);
  other.remove();
});

test("completing never fails aloud, whatever is broken", async () => {
  const other = new Person();
  mkdirSync(other.codemieHome, { recursive: true });
  other.writeConfig("{");
  for (const words of [["profile", "use", ""], ["claude", "--model", ""], ["no-such", "thing", ""], [], [""]]) {
    const { code, err } = await other.run(["__complete", ...words]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  }
  other.remove();
});

test("an unknown shell is an error with a suggestion", async () => {
  const { code, err } = await person.run(["completion", "bsh"]);
  expect([code, err]).toEqual([2, "error: there is no completion for bsh\nhint: did you mean bash\n"]);
});

test("--json answers JSON: a script in it, and no flag that changes nothing", async () => {
  const { code, out } = await person.run(["completion", "bash", "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ shell: "bash", script: (await person.run(["completion", "bash"])).out });
});

test("every flag of the bridge and of the agents has a description", async () => {
  for (const program of ["mcp-proxy", "claude", "codex"]) {
    const { out } = await person.run(["__complete", program, "--"]);
    const lines = out.trim().split("\n");
    expect(lines.length).toBeGreaterThan(9);
    expect(lines.filter((line) => !/^--[a-z-]+\t./.test(line))).toEqual([]);
  }
});

test("commands that only agents call are offered to nobody, and have their own help", async () => {
  const complete = async (...words: string[]) => (await person.run(["__complete", ...words])).out;
  const words = (await complete("")).split("\n").map((line) => line.split("\t")[0]);
  expect(words).toContain("sessions");
  const help = (await person.run(["--help"])).out;
  for (const [name, near] of [
    ["hook", "hok"],
    ["status-line", "status-lin"],
  ] as const) {
    expect(words).not.toContain(name);
    expect(help).not.toContain(`  ${name} `);
    expect(await complete(name, "")).toBe("");
    expect(await complete(name, "-")).toBe("");
    const { code, err } = await person.run([near, "x"]);
    expect([code, err.includes(name)]).toEqual([2, false]);
    expect((await person.run([name, "--help"])).out).toContain(`codemie ${name} `);
  }
});
