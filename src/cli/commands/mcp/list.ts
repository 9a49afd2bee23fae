import { basename, join } from "node:path";
import * as z from "zod/mini";
import { parseJson } from "../../../core/json.ts";
import { printable } from "../../../core/text.ts";
import { ProxyStates } from "../../../daemon/state.ts";
import { textUpTo } from "../../../platform/body.ts";
import { readPlain, readUntrusted } from "../../../platform/foreign-files.ts";
import { networkFailure } from "../../../platform/network.ts";
import { homeFolder, requireAbsolute } from "../../../platform/places.ts";
import type { Runtime } from "../../../platform/runtime.ts";
import { readMcpArgs, serverUrl } from "../../bridge/args.ts";
import { type Cli, command } from "../../frame/command.ts";

/** Longest settings of Claude Code, bytes: it keeps the history of every folder there. */
const longestSettings = 64 * 1024 * 1024;
/** Longest refusal of the relay, bytes. */
const longestRefusal = 10_000;
/** How long a server may take to answer, ms. */
const answerMs = 5_000;

const entry = z.object({
  command: z._default(z.string(), ""),
  args: z._default(z.array(z.string()), []),
  /** of a server that is reached over HTTP */
  url: z.optional(z.string()),
});
const servers = z.catch(z.record(z.string(), z.catch(z.optional(entry), undefined)), {});
const settings = z.object({
  mcpServers: z.optional(servers),
  projects: z.optional(z.catch(z.record(z.string(), z.catch(z.object({ mcpServers: z.optional(servers) }), {})), {})),
});

/** A server that Claude Code reaches through the bridge or a gateway. */
export interface Registered {
  readonly name: string;
  readonly scope: "user" | "local" | "project";
  /** the folder that it is registered for; null for all */
  readonly folder: string | null;
  readonly url: URL;
  /** where a gateway's relay leads there; its key is in it. Undefined for the bridge */
  readonly relay: string | undefined;
}

/** `codemie mcp list`. It exits 5 when a server does not answer. */
export const mcpList = (cli: Cli) =>
  command({
    meta: { name: "list", description: "Show the MCP servers registered through codemie, and whether they answer" },
    examples: ["codemie mcp list", "codemie mcp list --json"],
    args: {},
    async run() {
      const { runtime, output } = cli;
      const found = registeredIn(runtime);
      const relays = found.some(({ relay }) => relay !== undefined) ? await relaysOf(runtime) : [];
      const asks = found.map((one) => () => answerOf(one, relays, runtime));
      const ask = () => Promise.all(asks.map((one) => one()));
      const answers = found.length === 0 ? [] : await output.during("asking the servers", ask);
      const data = found.map(({ name, scope, folder, url, relay }, i) => ({
        ...{ agent: "claude", name, scope, folder, url: shown(url), via: relay === undefined ? "bridge" : "relay" },
        ...(answers[i] ?? { answers: null, detail: "" }),
      }));
      output.result(data, () => {
        if (data.length === 0) return ["Claude Code has no MCP server through codemie; codemie mcp add registers one"];
        const sign = { true: output.paint("good", "✓"), false: output.paint("bad", "✗"), null: "-" };
        return data.flatMap(({ name, scope, folder, url, via, answers, detail }) => [
          `${sign[`${answers}`]} ${printable(name, 64)}  ${printable(url, 200)}`,
          `  ${[detail, ...(via === "relay" ? ["through the gateway"] : []), scope === "user" ? "for every folder" : `for ${printable(folder ?? "", 200)}`].join("; ")}`,
        ]);
      });
      return answers.some((one) => one.answers === false) ? 5 : 0;
    },
  });

/** @returns the servers in the settings of Claude Code: its own file, and the current folder's `.mcp.json` (`project`) */
export function registeredIn({ env, cwd }: Runtime): Registered[] {
  const folder = env.CLAUDE_CONFIG_DIR ? requireAbsolute("CLAUDE_CONFIG_DIR", env.CLAUDE_CONFIG_DIR) : homeFolder(env);
  let own = "";
  try {
    own = readPlain(join(folder, ".claude.json"), longestSettings);
  } catch {
    // Claude Code was never started, or keeps something else there
  }
  const { mcpServers, projects = {} } = parseJson(own, settings) ?? {};
  const { mcpServers: ofFolder } = parseJson(readUntrusted(join(cwd, ".mcp.json")) ?? "", settings) ?? {};
  return [
    ...throughUs(mcpServers, "user", null),
    ...Object.entries(projects).flatMap(([path, { mcpServers }]) => throughUs(mcpServers, "local", path)),
    ...throughUs(ofFolder, "project", cwd),
  ];
}

function throughUs(
  found: z.infer<typeof servers> | undefined,
  scope: Registered["scope"],
  folder: string | null,
): Registered[] {
  return Object.entries(found ?? {}).flatMap(([name, one]): Registered[] => {
    const args = one && argsOfBridge(one);
    try {
      const relay = one && relayIn(one);
      if (relay) return [{ name, scope, folder, ...relay }];
      return args ? [{ name, scope, folder, url: readMcpArgs(args, "unknown").url, relay: undefined }] : [];
    } catch {
      return []; // the bridge would not start either
    }
  });
}

/** @returns the arguments of the bridge that an entry starts, or undefined when it starts another program */
function argsOfBridge({ command, args }: z.infer<typeof entry>): readonly string[] | undefined {
  const program = basename(command.replaceAll("\\", "/")).replace(/\.exe$/i, "");
  if (program === "codemie-mcp-proxy") return args;
  return program === "codemie" && args[0] === "mcp-proxy" ? args.slice(1) : undefined;
}

/** @returns the server behind an address of a gateway's relay on this machine; undefined for every other address */
function relayIn({ url = "" }: z.infer<typeof entry>): { url: URL; relay: string } | undefined {
  const [, original] = /^http:\/\/(?:127\.0\.0\.1|localhost):\d+\/~[\w-]+\/mcp_auth\?original=(.+)$/.exec(url) ?? [];
  return original === undefined ? undefined : { url: serverUrl(decodeURIComponent(original), true), relay: url };
}

/** @returns how the addresses of the running gateways' relays begin */
const relaysOf = async ({ home }: Runtime): Promise<string[]> =>
  (await new ProxyStates(home).all()).flatMap((one) => one.relay ?? []);

/**
 * Asks a server for anything, without a credential: any HTTP answer will do. A server that the current folder names is not
 * asked, since nothing there may make this program send a request. Nor is a relay whose gateway has ended: its address holds a
 * key, and anybody may listen there now.
 */
async function answerOf({ url, scope, relay }: Registered, relays: readonly string[], { fetch }: Runtime) {
  if (scope === "project") return { answers: null, detail: "not asked: this folder's .mcp.json names it" };
  if (relay !== undefined && !relays.some((one) => relay.startsWith(one))) {
    const { port } = new URL(relay);
    return { answers: false, detail: `your gateway does not run there: codemie proxy start --port ${port} starts it` };
  }
  try {
    const headers = { accept: "application/json, text/event-stream" };
    const answer = await fetch(relay ?? url.href, { headers, signal: AbortSignal.timeout(answerMs) });
    const { status } = answer;
    if (status === 403 && relay !== undefined) return { answers: false, detail: await refusalIn(answer) };
    await answer.body?.cancel();
    if (status === 401) return { answers: true, detail: "answers, and demands a login" };
    if (/^text\/html\b/i.test(answer.headers.get("content-type") ?? "") && status < 400)
      return { answers: false, detail: "answers with a page, as no MCP server does" };
    const isOdd = status === 403 || status === 404 || status >= 500;
    return { answers: !isOdd, detail: isOdd ? `answers with an error (${status})` : "answers" };
  } catch (error) {
    const { message } = networkFailure(relay === undefined ? url.origin : new URL(relay).origin, error);
    return { answers: false, detail: message };
  }
}

const refusal = z.object({ error: z.object({ message: z.string() }) });

/** @returns what the relay, or the server behind it, says of a refusal */
async function refusalIn(answer: Response): Promise<string> {
  const text = await textUpTo(answer, longestRefusal, () => new Error("this is no refusal of ours")).catch(() => "");
  return printable(parseJson(text, refusal)?.error.message ?? "answers with an error (403)", 300);
}

/** @returns the address without what may be a key: user, password and query */
export function shown({ origin, pathname, search }: URL): string {
  return `${origin}${pathname}${search ? "?…" : ""}`;
}
