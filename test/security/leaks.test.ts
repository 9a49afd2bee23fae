import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { codemieClaude, Person, withClaude } from "../support/codemie.ts";
import { logIn, secretsOf } from "../support/login.ts";
import { otherProcesses, shownOf } from "../support/processes.ts";
import { startSandbox } from "../support/sandbox/sandbox.ts";

/** Threat: the session lies on disk in clear, or shows in output, in the process list or in the agent's environment. */

test("no secret on disk, in any output, in the process list, or in a child's environment", async () => {
  const sandbox = await startSandbox({ chunks: 3 });
  const person = new Person();
  const login = await logIn(person, sandbox);
  const secrets = secretsOf(login.cookie);
  expect(secrets.length).toBeGreaterThanOrEqual(6);

  let processes = "";
  let duringRun = "";
  sandbox.settings.answer = (_seen, response) => {
    processes = processTexts();
    duringRun = filesUnder(person.root);
    response.writeHead(401, { "content-type": "application/json" }).end("{}");
  };
  const output = [
    login,
    await person.run(["profile", "status"]),
    await person.run(["profile", "status", "--json"]),
    await person.run(["models", "--json"]),
    await person.run(["profile", "list", "--json"]),
    await person.run(["--task", "hello"], {
      program: codemieClaude,
      env: { ...withClaude(person), CLAUDE_CODE_MAX_RETRIES: "0", CODEMIE_DEBUG: "true" },
    }),
    await person.run(["profile", "logout"], { env: { CODEMIE_DEBUG: "true" } }),
  ];
  const afterRun = filesUnder(person.root);
  expect(processes).toContain("claude");
  expect(processes).toContain("ANTHROPIC_BASE_URL");
  for (const secret of secrets) {
    expect(duringRun.includes(secret)).toBe(false);
    expect(afterRun.includes(secret)).toBe(false);
    expect(processes.includes(secret)).toBe(false);
    for (const { out, err } of output) expect((out + err).includes(secret)).toBe(false);
  }

  // and the local key of the run is gone with it
  const key = /ANTHROPIC_AUTH_TOKEN=([\w-]{43})/.exec(processes)?.[1] ?? "";
  expect(key).not.toBe("");
  expect(filesUnder(person.codemieHome).includes(key)).toBe(false);
  person.remove();
  await sandbox.close();
});

/** Everything below a folder, as one text; base64 of a secret counts as the secret. */
function filesUnder(folder: string): string {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .map(
      (text) => text + Buffer.from(text.match(/[A-Za-z0-9+/_-]{100,}/g)?.join("\n") ?? "", "base64").toString("latin1"),
    )
    .join("\n");
}

/** Command lines and environments of all processes but this one. */
function processTexts(): string {
  return otherProcesses()
    .flatMap((pid) => [shownOf(pid, "cmdline"), shownOf(pid, "environ")])
    .join("\n");
}
