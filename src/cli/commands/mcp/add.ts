import { stores } from "../../../access/stores.ts";
import { isSecretName } from "../../../core/redaction.ts";
import { Secret } from "../../../core/secret.ts";
import { daemonFailure } from "../../../daemon/failures.ts";
import { ProxyStates } from "../../../daemon/state.ts";
import type { ProgramCall } from "../../../platform/processes.ts";
import { findProgram, runCaptured } from "../../../platform/processes.ts";
import { ownProgram } from "../../../platform/self.ts";
import { environmentForOthers } from "../../../profiles/environment.ts";
import { readMcpArgs, serverUrl } from "../../bridge/args.ts";
import { cliFailure } from "../../failures.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";

const bridge = "codemie-mcp-proxy";
const scopes = ["local", "user", "project"];

/** `codemie mcp add NAME URL [--via-proxy]`. It prints the entry for `.mcp.json` when Claude Code is not on PATH. */
export const mcpAdd = (cli: Cli) =>
  command({
    meta: {
      name: "add",
      description: "Register a remote MCP server with Claude Code, through the bridge or a gateway",
    },
    examples: [
      "codemie mcp add tracker https://mcp.example.com/mcp",
      "codemie mcp add tracker https://mcp.example.com/mcp --scope user -- --persist",
      "codemie mcp add tracker https://mcp.example.com/mcp --print > .mcp.json",
      "codemie mcp add tracker https://mcp.example.com/mcp --via-proxy",
    ],
    takesRest: true,
    args: {
      name: { type: "positional", required: true, description: "the name of the server in the agent" },
      url: { type: "positional", required: true, description: "the address of the server" },
      scope: { type: "string", valueHint: "SCOPE", description: "local, user or project (default: Claude Code's own)" },
      "via-proxy": { type: "boolean", description: "through the relay of the running gateway, not through the bridge" },
      profile: { type: "string", valueHint: "NAME", description: "with --via-proxy: the gateway of this profile" },
      print: { type: "boolean", description: "print the entry for .mcp.json instead" },
    },
    async run({ args }) {
      const { runtime, output, rest } = cli;
      const { name, url, scope } = args;
      if (!/^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/.test(name)) throw commandFailure.badServerName(name);
      if (scope !== undefined && !scopes.includes(scope)) throw cliFailure.noSuch("scope", scope, scopes);
      if (args["via-proxy"] && rest.length > 0) throw commandFailure.mcpRelayFlags();
      if (!args["via-proxy"] && args.profile !== undefined) throw commandFailure.mcpRelayProfile();
      const { address, secretVariables, entry } = args["via-proxy"]
        ? await throughRelay(cli, url, args.profile)
        : throughBridge(cli, [url, ...rest]);
      const claude = findProgram("claude", runtime.env);
      if (args.print || !claude) {
        if (!args.print) output.say.warn("Claude Code (claude) is not on PATH; this is the entry for .mcp.json:");
        const document = { mcpServers: { [name]: entry } };
        output.result(document, () => [JSON.stringify(document, null, 2)], true);
        return;
      }
      const scoped = scope === undefined ? [] : ["--scope", scope];
      // The relay's address holds its key, and every user of the machine sees arguments.
      const isSecret = "url" in entry;
      const added: ProgramCall = isSecret
        ? [claude, "mcp", "add-json", ...scoped, name, "-"]
        : [claude, "mcp", "add", ...scoped, name, "--", entry.command, ...entry.args];
      const env = environmentForOthers({ ...runtime, secretVariables }, stores(runtime).profiles);
      const { code, said } = await runCaptured(added, env, isSecret ? JSON.stringify(entry) : undefined);
      if (code !== 0) throw commandFailure.mcpAdd(name, said);
      const shown = isSecret ? { type: entry.type, server: address } : entry;
      output.result({ name, ...shown, scope: scope ?? "local" }, () => [
        `${output.paint("good", "✓")} registered ${name} with Claude Code: ${address}`,
        "  see codemie mcp list",
      ]);
      if (runtime.terminal.interactive)
        output.say.info(`${output.paint("dim", "next:", "err")} codemie-claude, and there /mcp`);
    },
  });

type Entry =
  | { readonly command: string; readonly args: readonly string[] }
  | { readonly type: "http"; readonly url: string };

interface Registration {
  readonly address: string;
  readonly secretVariables: readonly string[];
  readonly entry: Entry;
}

function throughBridge({ runtime }: Cli, args: readonly string[]): Registration {
  const { address, secretVariables } = checked(args);
  // Register the bridge by name if it is on PATH: the entry then survives a move of the program.
  const start = findProgram(bridge, runtime.env) ? [bridge] : [ownProgram(), "mcp-proxy"];
  const [program = bridge, ...before] = start;
  return { address, secretVariables, entry: { command: program, args: [...before, address, ...args.slice(1)] } };
}

/** The agent then speaks HTTP to the gateway, which must listen on the same port whenever the agent runs. */
async function throughRelay(
  { runtime, output }: Cli,
  typed: string,
  profile: string | undefined,
): Promise<Registration> {
  const address = serverUrl(typed, true).href;
  const { relay, url, profile: used } = await new ProxyStates(runtime.home).oneRunning(profile);
  if (relay === undefined) throw daemonFailure.noRelay(used);
  runtime.terminal.mask(new Secret(relay));
  const { port } = new URL(url);
  output.say.info(
    `this works while a gateway listens on port ${port}: start it with codemie proxy start --port ${port}`,
  );
  return { address, secretVariables: [], entry: { type: "http", url: relay + encodeURIComponent(address) } };
}

/**
 * Refuses now what the bridge would refuse at each start, and secrets: the agent shows them in its own list of arguments
 * and keeps them in its file.
 *
 * @returns the server's address, and the names of the variables that the bridge will read
 * @throws usage errors
 */
function checked(args: readonly string[]): { address: string; secretVariables: readonly string[] } {
  const { url, help, version, explain, secretVariables, authorizeParameters } = readMcpArgs(args, "unknown");
  if (help || version || explain) throw commandFailure.notForRegistration();
  // The agent fills in `${…}` itself, and everybody could read the value in the process list.
  if (args.some((arg) => arg.includes("${"))) throw commandFailure.mcpVariable();
  if (args.some((arg) => arg === "--header" || arg.startsWith("--header="))) throw commandFailure.mcpHeader();
  const secret = Object.keys(authorizeParameters).find(isSecretName);
  if (secret !== undefined) throw commandFailure.mcpParameter(secret);
  return { address: url.href, secretVariables };
}
