import type { ArgsDef } from "citty";
import type { LoginFlag } from "../../auth/failures.ts";
import type { LoginDialogue, LoginOptions } from "../../auth/login/browser.ts";
import type { Env } from "../../core/env.ts";
import { callbackHosts } from "../../core/host.ts";
import { parseSeconds } from "../../core/parse.ts";
import { browserFor } from "../../platform/browser.ts";
import { isInForeground } from "../../platform/foreground.ts";
import { cliFailure } from "../failures.ts";
import type { Cli } from "./command.ts";

/**
 * @param origin the host or server to log in to, for the messages
 * @param escaped ends the login when the person presses Escape; default: `interrupted`
 * @returns the messages a person sees while a login runs, on standard error; they also name the origin of the page that opens,
 *   where that is another
 */
export function dialogueOf({ runtime, output }: Cli, origin: string, escaped?: unknown): LoginDialogue {
  const { terminal } = runtime;
  return {
    atUrl(url, opened, canPaste) {
      const page = new URL(url).origin;
      const where = page === origin ? origin : `${origin} at ${page}`;
      if (opened) {
        output.say.info(`opening your browser to log in to ${where}`);
        output.say.info("if it does not appear, open this address:");
      } else output.say.info(`open this address in a browser to log in to ${where}:`);
      output.say.info(`  ${output.paint("accent", url, "err")}`);
      if (canPaste) {
        output.say.info(
          "is the browser on another machine? log in there, then paste the address it ends at (nothing will be shown):",
        );
      } else {
        output.say.info(output.paint("dim", "waiting for the login… (Ctrl-C to stop)", "err"));
      }
    },
    atCode(address, code) {
      output.say.info(
        `to log in to ${origin}, open this address in any browser and enter the code ${output.paint("bold", code, "err")}:`,
      );
      output.say.info(`  ${output.paint("accent", address, "err")}`);
      output.say.info(output.paint("dim", "waiting for the login… (Ctrl-C to stop)", "err"));
    },
    awaiting: (what, work) => output.awaiting(what, work),
    note: (text) => output.say.warn(text),
    readPaste:
      terminal.interactive && isInForeground()
        ? async (refuses, signal) => void (await terminal.readLine({ echo: false, signal, refuses, escaped }))
        : undefined,
  };
}

/** The flags of the redirect, for commands that log in at an OpenID provider. */
export const callbackArgs = {
  "callback-host": {
    type: "string",
    valueHint: "HOST",
    description: `host of the redirect registered there: ${callbackHosts.join(", ")} (default ${callbackHosts[0]})`,
  },
  "callback-port": { type: "string", valueHint: "N", description: "port of that redirect (default any)" },
} as const satisfies ArgsDef;

/** How long a login may take unless `--timeout` says otherwise, seconds. */
export const standardLoginSeconds = 120;

/** For the help of `--timeout`. */
export const standardTime = ` (default ${standardLoginSeconds})`;

/**
 * @param args `--timeout`, `--no-browser` and, where the command has it, `--device`
 * @returns the options of a login that these flags decide
 * @throws usage error when the time is not a whole number of seconds from 1 to 999999
 */
export function loginOptionsOf(
  args: { timeout: string | undefined; browser: boolean; device?: boolean | undefined },
  env: Env,
): Required<Pick<LoginOptions, "timeoutMs" | "mayOpenBrowser" | "unusedFlags">> {
  const { timeout, browser: mayOpenBrowser, device = false } = args;
  const seconds = timeout === undefined ? standardLoginSeconds : parseSeconds(timeout);
  if (!seconds) throw cliFailure.notSeconds("--timeout", timeout ?? "", 300);
  const opens = mayOpenBrowser && !device && browserFor(env).kind !== "none";
  const unusedFlags: LoginFlag[] = [...(timeout === undefined ? (["--timeout"] as const) : [])];
  if (opens) unusedFlags.push("--no-browser");
  return { timeoutMs: seconds * 1000, mayOpenBrowser, unusedFlags };
}
