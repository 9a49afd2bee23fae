import { basename } from "node:path";
import { versionLine } from "./core/version.ts";

const program = basename(process.argv0).replace(/\.exe$/i, "");
const typed = process.argv.slice(2);

const asksVersion = ["--version", "-v", "-V", "version"];

/** This answer loads nothing else. If it cannot be written, the usual way says so. */
async function hasToldVersion(): Promise<boolean> {
  if (program.startsWith("codemie-") || typed.length !== 1 || !asksVersion.includes(typed[0] ?? "")) return false;
  try {
    const sink = Bun.stdout.writer();
    sink.write(`${versionLine}\n`);
    await sink.end();
    return true;
  } catch {
    return false;
  }
}

/** An agent waits for its hooks, and starts one at every event, so this loads nothing else either. It never fails. */
async function hasHooked(): Promise<boolean> {
  if (program.startsWith("codemie-") || typed[0] !== "hook" || typed.some((arg) => /^(-h|--help)$/.test(arg)))
    return false;
  try {
    const { noteEvent } = await import("./tracking/hook.ts");
    const { writeOut } = await import("./platform/stdio.ts");
    const told = noteEvent(typed[1] ?? "", process.env, Date.now(), typed[2]);
    if (told) writeOut(`${told}\n`);
  } catch (error) {
    const { logHookFailure } = await import("./tracking/hook-log.ts");
    await logHookFailure(typed[1] ?? "", error);
  }
  return true;
}

/** Claude Code asks for this line after each answer, so it loads nothing else either. It never fails. */
async function hasShownStatus(): Promise<boolean> {
  const [word, file] = typed;
  if (program.startsWith("codemie-") || word !== "status-line" || file === undefined || file.startsWith("-"))
    return false;
  try {
    const { statusLineOf } = await import("./agents/status-line.ts");
    const { writeOut } = await import("./platform/stdio.ts");
    const line = statusLineOf(file, Date.now());
    if (line) writeOut(`${line}\n`);
  } catch {
    // no line is shown
  }
  return true;
}

if (!(await hasToldVersion())) {
  const { containCrashes } = await import("./platform/crash.ts");
  containCrashes();
  if (!(await hasHooked()) && !(await hasShownStatus())) await runCommand();
}

async function runCommand(): Promise<void> {
  if (!program.startsWith("codemie-") && typed[0] === "hold-callback") {
    const { holdCallback } = await import("./auth/login/late-callback.ts");
    const { inputEnded, writeOut } = await import("./platform/stdio.ts");
    // The process that started this one waits for the line.
    process.exit(await holdCallback(typed.slice(1), inputEnded, () => writeOut("ready\n")));
  }
  const { withoutShownSecrets } = await import("./platform/arguments.ts");
  const { args, env } = withoutShownSecrets({ args: typed, env: { ...process.env } });
  const { withoutLoopbackProxy } = await import("./platform/network.ts");
  // The runtime's `fetch` takes proxies from the environment, even for loopback; exclude loopback here.
  Object.assign(process.env, withoutLoopbackProxy(env));
  const named = program === "codemie-mcp-proxy";
  if (named || (!program.startsWith("codemie-") && args[0] === "mcp-proxy")) {
    // Ten editor windows may run ten bridges all day, so the bridge loads nothing of the other commands.
    const { runBridge } = await import("./cli/bridge/run.ts");
    process.exitCode = await runBridge(named ? args : args.slice(1), env);
  } else {
    const { run } = await import("./cli/frame/run.ts");
    process.exitCode = await run({ program, args }, env);
  }
}
