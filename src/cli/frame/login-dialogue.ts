import type { LoginDialogue } from "../../auth/login/browser.ts";
import { parseSeconds } from "../../core/parse.ts";
import { cliFailure } from "../failures.ts";
import type { Cli } from "./command.ts";

/**
 * @param origin the host or server to log in to, for the messages
 * @returns the messages a person sees while a login runs, on standard error
 */
export function dialogueOf({ output }: Cli, origin: string): LoginDialogue {
  return {
    atUrl(url, opened, canPaste) {
      if (opened) {
        output.say.info(`opening your browser to log in to ${origin}`);
        output.say.info("if it does not appear, open this address:");
      } else output.say.info(`open this address in a browser to log in to ${origin}:`);
      output.say.info(`  ${output.paint("accent", url, "err")}`);
      if (canPaste) {
        output.say.info("is the browser on another machine? log in there, then paste the address");
        output.say.info("it ends at (nothing will be shown):");
      } else {
        output.say.info(output.paint("dim", "waiting for the login… (Ctrl-C to stop)", "err"));
      }
    },
    atCode(address, code) {
      output.say.info(`open this address in any browser and enter the code ${output.paint("bold", code, "err")}:`);
      output.say.info(`  ${output.paint("accent", address, "err")}`);
      output.say.info(output.paint("dim", "waiting for the login… (Ctrl-C to stop)", "err"));
    },
    note: (text) => output.say.warn(text),
  };
}

/**
 * @param text value of `--timeout`, seconds
 * @returns ms
 * @throws usage error when it is not a whole number from 1 to 999999
 */
export function timeoutMsOf(text: string): number {
  const seconds = parseSeconds(text);
  if (!seconds) throw cliFailure.notSeconds("--timeout", text, 300);
  return seconds * 1000;
}
