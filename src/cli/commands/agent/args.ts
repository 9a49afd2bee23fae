import type { OwnArguments, Takes } from "../../../agents/agent.ts";
import { parseSeconds } from "../../../core/parse.ts";
import { editDistance, nearest } from "../../../core/text.ts";
import { cliFailure } from "../../failures.ts";
import { commandFailure } from "../failures.ts";

/** An agent's command line, with our flags separated from the agent's own arguments. */
export interface AgentArgs {
  /** the words name a command of the agent, such as `mcp add`: no run, and `rest` is the whole command as typed */
  readonly isSubcommand: boolean;
  readonly help: boolean;
  readonly version: boolean;
  readonly silent: boolean;
  readonly trustsFolder: boolean;
  readonly task: string | undefined;
  readonly profile: string | undefined;
  readonly baseUrl: string | undefined;
  readonly model: string | undefined;
  /** seconds */
  readonly timeout: number | undefined;
  readonly reasoningEffort: string | undefined;
  readonly resume: string | undefined;
  /** the token itself, or `-` for standard input */
  readonly jwtToken: string | undefined;
  readonly jwtTokenFile: string | undefined;
  readonly apiKey: string | undefined;
  /** `github`, `env:NAME` or `file:PATH` */
  readonly idToken: string | undefined;
  readonly audience: string | undefined;
  readonly issuer: string | undefined;
  readonly clientId: string | undefined;
  readonly scope: string | undefined;
  /** the agent's own arguments, in order */
  readonly rest: readonly string[];
}

const valueFlags = {
  "--task": "task",
  "--profile": "profile",
  "--base-url": "baseUrl",
  "--model": "model",
  "-m": "model",
  "--timeout": "timeout",
  "--reasoning-effort": "reasoningEffort",
  "--jwt-token": "jwtToken",
  "--jwt-token-file": "jwtTokenFile",
  "--api-key": "apiKey",
  "--id-token": "idToken",
  "--audience": "audience",
  "--issuer": "issuer",
  "--client-id": "clientId",
  "--scope": "scope",
} as const;

/** Flags that carry a credential. If we passed on a mistyped one, the process list would show the credential. */
const credentialFlags = ["--jwt-token", "--jwt-token-file", "--api-key"] as const;

const ourFlags = [...Object.keys(valueFlags), "--resume", "--help", "--version", "--silent", "--trust-folder"];

/**
 * Takes our flags out of an agent's command line. Everything else goes to the agent untouched and in order: a flag of its
 * own together with its value, everything after `--`, and everything from the name of a subcommand on, `--` included.
 *
 * @param program name for messages, for example `codemie-claude`
 * @param own the agent's own command line
 * @throws usage error for a missing value, a timeout that is no number of seconds, a near miss of a flag that carries a
 *   credential, or one of another flag of ours that the agent is not known to have
 */
export function readAgentArgs(args: readonly string[], program: string, own: OwnArguments): AgentArgs {
  const values: Partial<Record<(typeof valueFlags)[keyof typeof valueFlags] | "resume", string>> = {};
  const rest: string[] = [];
  let [help, version, silent, trustsFolder, isSubcommand, hasWord] = [false, false, false, false, false, false];
  /** what the agent's flag before may still take */
  let open: Takes = "none";
  let i = 0;
  for (; i < args.length && args[i] !== "--"; i++) {
    const arg = args[i] ?? "";
    if (open === "one" || !arg.startsWith("-")) {
      if (open === "none" && !hasWord) {
        hasWord = true;
        isSubcommand = own.subcommands.has(arg) && values.task === undefined;
        if (isSubcommand) break;
      }
      if (open !== "many") open = "none";
      refuseCredential(arg);
      rest.push(arg);
      continue;
    }
    open = "none";
    const at = arg.indexOf("=");
    const [flag, inline] = at < 0 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
    if (Object.hasOwn(valueFlags, flag)) {
      const value = inline ?? args[++i];
      if (value === undefined || value === "") throw cliFailure.needsValue(program, flag);
      values[valueFlags[flag as keyof typeof valueFlags]] = value;
    } else if (flag === "--resume") {
      const next = args[i + 1];
      values.resume = inline ?? (next === undefined || next.startsWith("-") ? "" : next);
      if (inline === undefined && values.resume) i++;
    } else if (flag === "--help" || flag === "-h") help = true;
    else if (flag === "--version") version = true;
    else if (flag === "--trust-folder") trustsFolder = true;
    else if (flag === "--silent" || flag === "-s") {
      const { unclear } = own;
      const next = args[i + 1];
      if (unclear?.flag === flag && next !== undefined && unclear.value.test(next))
        throw commandFailure.unclearFlag(program, flag, next, unclear.instead);
      silent = true;
    } else {
      refuseCredential(flag);
      const takes = own.flags.get(flag);
      const close = takes || !flag.startsWith("--") ? undefined : nearest(flag, ourFlags);
      if (close) throw commandFailure.agentFlag(program, flag, close);
      if (inline === undefined) open = takes ?? "optional";
      rest.push(arg);
    }
  }
  rest.push(...args.slice(isSubcommand || args[i] !== "--" ? i : i + 1));
  return {
    isSubcommand,
    help,
    version,
    silent,
    trustsFolder,
    task: values.task,
    profile: values.profile,
    baseUrl: values.baseUrl,
    model: values.model,
    timeout: values.timeout === undefined ? undefined : secondsOf(values.timeout),
    reasoningEffort: values.reasoningEffort,
    resume: values.resume,
    jwtToken: values.jwtToken,
    jwtTokenFile: values.jwtTokenFile,
    apiKey: values.apiKey,
    idToken: values.idToken,
    audience: values.audience,
    issuer: values.issuer,
    clientId: values.clientId,
    scope: values.scope,
    rest,
  };
}

function refuseCredential(flag: string): void {
  if (!flag.startsWith("-")) return;
  const bare = flag.replace(/^-+/, "").toLowerCase().replaceAll("_", "-");
  for (const known of credentialFlags) {
    const name = known.slice(2);
    if (editDistance(bare, name) <= 2) throw commandFailure.credentialFlag(flag, known);
  }
}

function secondsOf(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds === undefined) throw cliFailure.notSeconds("--timeout", text, undefined);
  return seconds;
}
