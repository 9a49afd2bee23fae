/**
 * The main job, from nothing to an answer, as a user would see it: a stand-in CodeMie host with a real OpenID provider,
 * a login in a real browser, and the real Claude Code behind the gateway.
 */
import "./prepare.ts";
import { logInAs, startBrowser } from "./browser.ts";
import { claudeFolder, codemieClaude, Person } from "./codemie.ts";
import { startSandbox } from "./sandbox/sandbox.ts";

const color = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string) => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
const step = (text: string) => console.log(`\n${paint(1, `── ${text}`)}`);
const typed = (text: string) => console.log(paint(36, `$ ${text}`));
const show = (text: string) => process.stdout.write(text.replace(/^(?=.)/gm, "  "));

async function demo(): Promise<boolean> {
  const [sandbox, browser] = await Promise.all([startSandbox({ chunks: 3 }), startBrowser()]);
  const person = new Person();
  person.env.PATH = `${claudeFolder}:${person.env.PATH}`;
  try {
    console.log(`A stand-in CodeMie host runs at ${sandbox.origin}, its single sign-on at ${sandbox.issuer}.`);

    step("1. Log in, in a real browser");
    typed(`codemie profile login --url ${sandbox.origin}`);
    const login = person.start(["profile", "login", "--url", sandbox.origin]);
    const [url] = await login.says(/http:\S+\/v1\/auth\/login\/\d+/);
    const page = await logInAs(await browser.newContext(), url, "ada");
    const heading = await page.textContent("h1");
    const loggedIn = await login.finished();
    show(loggedIn.err + loggedIn.out);
    console.log(paint(2, `  (Chromium went through the login and consent pages; the last page says: ${heading})`));

    step("2. Who am I, and what may I use?");
    for (const args of [["profile", "status"], ["models"]]) {
      typed(`codemie ${args.join(" ")}`);
      show((await person.run(args)).out);
    }

    step("3. Claude Code answers, without ever holding the credential");
    typed('codemie-claude --task "say hello to the sandbox"');
    const task = await person.run(["--task", "say hello to the sandbox"], { program: codemieClaude });
    show(task.out + task.err);
    const call = sandbox.calls("/v1/messages").at(-1);
    const sent = Object.keys(call?.headers ?? {}).filter((name) =>
      /^(cookie|authorization|x-api-key|x-codemie-)/.test(name),
    );
    console.log(paint(2, `  (the host received: ${sent.sort().join(", ")})`));

    step("4. Log out");
    typed("codemie profile logout");
    show((await person.run(["profile", "logout"])).out);

    return loggedIn.code === 0 && task.code === 0 && task.out.includes("The sandbox heard: say hello to the sandbox");
  } finally {
    person.remove();
    await browser.close();
    await sandbox.close();
  }
}

const worked = await demo();
console.log(worked ? `\n${paint(32, "✓")} the main job works` : `\n${paint(31, "✗")} the main job failed`);
process.exit(worked ? 0 : 1);
