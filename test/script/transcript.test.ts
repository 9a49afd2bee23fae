import { expect, test } from "bun:test";
import { join } from "node:path";
import { Glob } from "bun";
import { codemie, Person } from "../support/codemie.ts";
import { logIn } from "../support/login.ts";
import { type ModelProvider, startModelProvider } from "../support/model-provider.ts";
import { type Sandbox, startSandbox } from "../support/sandbox/sandbox.ts";

/**
 * Transcripts of the real binary: `$ ` begins a command, what follows is all it prints, standard output before standard
 * error, and `[exit N]` where N is not 0. `$ log in as NAME` is a login in the browser; HOST is a CodeMie host, PROVIDER a
 * model provider, and `< KEY` gives its key to standard input. What differs from run to run has a name in capitals. With UPDATE_TRANSCRIPTS=1 the files are written anew, to be read before they are committed.
 */
for (const name of new Glob("*.txt").scanSync(import.meta.dir)) {
  test(name, async () => {
    const file = join(import.meta.dir, name);
    const expected = await Bun.file(file).text();
    const sandbox = await startSandbox();
    const person = new Person();
    person.env.PATH = "/usr/bin:/bin"; // whatever agents this machine has elsewhere
    const provider = await startModelProvider("litellm");
    let actual = "";
    for (const block of expected.split(/^(?=\$ |#)/m)) {
      const command = /^\$ (.*)\n/.exec(block)?.[1];
      actual += command === undefined ? block : `$ ${command}\n${await play(command, person, sandbox, provider)}\n`;
    }
    person.remove();
    await sandbox.close();
    await provider.close();
    if (process.env.UPDATE_TRANSCRIPTS) await Bun.write(file, actual.trimEnd().concat("\n"));
    else expect(actual.trimEnd()).toBe(expected.trimEnd());
  });
}

async function play(command: string, person: Person, sandbox: Sandbox, provider: ModelProvider): Promise<string> {
  const login = /^log in as (\w+)$/.exec(command)?.[1];
  const stdin = command.endsWith(" < KEY") ? { stdin: provider.key } : {};
  const typed = command
    .replace(/ < KEY$/, "")
    .replaceAll("HOST", sandbox.origin)
    .replaceAll("PROVIDER", provider.origin);
  const words = typed.match(/'[^']*'|\S+/g) ?? [];
  const env: Record<string, string> = {};
  while (words[0]?.includes("=")) {
    const [variable = "", value = ""] = (words.shift() ?? "").split(/=(.*)/s);
    env[variable] = value;
  }
  const args = words.slice(1).map((word) => word.replace(/^'(.*)'$/, "$1"));
  const { out, err, code } = login ? await logIn(person, sandbox, login) : await person.run(args, { env, ...stdin });
  const text = (out + err)
    .replaceAll(sandbox.origin, "HOST")
    .replaceAll(provider.origin, "PROVIDER")
    .replaceAll(new URL(sandbox.origin).host, "HOST:PORT")
    .replace(/\S+ \(\d+\)(?= {2})/g, "NAME")
    .replace(/"actor":"[^"]*"/g, '"actor":"NAME"')
    .replace(/"ms":\d+/g, '"ms":MS')
    .replace(/\d+ ms\b/g, "MS ms")
    .replace(/[\d.]+ GB free/g, "SPACE free")
    .replace(/, \w+ \w+, \d{4}-\d\d-\d\dT[\d:]+Z/g, ", SYSTEM, DATE")

    .replace(/"mac":"[^"]*"/g, '"mac":"MAC"')
    .replace(/backup-\d+/g, "backup-TIME")
    .replaceAll(person.codemieHome, "~/.codemie")
    .replaceAll(codemie, "PROGRAM")
    .replaceAll(person.cwd, "CWD")
    .replace(/codemie \d+\.\d+\.\d+ \([\w]+\)/g, "codemie VERSION")
    .replace(/login\/\d+/g, "login/PORT")
    .replace(/(\d+ seconds? ago|now) \(\d{4}-\d\d-\d\d \d\d:\d\d\)/g, "a moment ago (DATE)")
    .replace(/in \d days \(\d{4}-\d\d-\d\d \d\d:\d\d\)/g, "in some days (DATE)")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "DATE")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?/g, "DATE")
    .replaceAll(join(import.meta.dir, "../../dist"), "BIN");
  return text + (code === 0 ? "" : `[exit ${code}]\n`);
}
