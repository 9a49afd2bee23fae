import { CodemieError } from "../core/errors.ts";
import { printable } from "../core/text.ts";

/** Failures of a gateway that runs on its own, as users see them. */
export const daemonFailure = {
  /** @param from the flag or variable that names the port */
  badPort: (given: string, from: string) =>
    new CodemieError("usage", `${from}: ${printable(given, 40)} is not a port`, "a port is a number from 1 to 65535"),
  running: (profile: string, url = "an address not known yet") =>
    new CodemieError(
      "failed",
      `a gateway for profile ${profile} is already running at ${url}`,
      "see codemie proxy status, or end it with codemie proxy stop",
    ),
  notRunning: (profile?: string) =>
    new CodemieError(
      "failed",
      profile === undefined ? "no gateway is running" : `no gateway is running for profile ${printable(profile, 64)}`,
      "start one with codemie proxy start --detach",
    ),
  noRelay: (profile: string) =>
    new CodemieError(
      "failed",
      `the gateway of profile ${printable(profile, 64)} was started by an earlier version, and has no relay`,
      "end it with codemie proxy stop, and start it again",
    ),
  died: (log: string) => new CodemieError("failed", "the gateway ended while it started", `its output is in ${log}`),
  /** @param mayBeAll true: the command also takes all of them */
  which: (profiles: readonly string[], mayBeAll: boolean) =>
    new CodemieError(
      "usage",
      "several gateways are running",
      `use ${mayBeAll ? "--all, or " : ""}--profile: ${profiles.join(", ")}`,
    ),
  /** @param program ours that runs it */
  onlyByUs: (title: string, program: string) =>
    new CodemieError(
      "usage",
      `${title} takes its way to log in from a settings file, so no variables lead it to a gateway`,
      `run ${program}, which writes that file`,
    ),
  silent: (url: string, pid: number) =>
    new CodemieError(
      "failed",
      `the gateway at ${url} does not answer, so process ${pid} may be another program, and was not stopped`,
      `stop the gateway where it was started; if that is this machine, run kill ${pid}`,
    ),
  stays: (pid: number) =>
    new CodemieError("failed", `the gateway (process ${pid}) does not end`, `end it with kill -9 ${pid}`),
} satisfies Record<string, (...args: never[]) => CodemieError>;
