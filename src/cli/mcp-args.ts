import { parseArgs } from "node:util";
import { failure } from "../core/errors.ts";
import { isLoopback } from "../core/host.ts";
import { headerSafe, nearest } from "../core/text.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** Flags of the bridge, as `parseArgs` wants them. */
const flags = {
  header: { type: "string", multiple: true },
  transport: { type: "string" },
  "allow-http": { type: "boolean" },
  timeout: { type: "string" },
  json: { type: "boolean" },
  "no-color": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;
type Flag = keyof typeof flags;

/** What the bridge was asked for. */
export interface McpArgs {
  readonly help: boolean;
  /** the server's address; present unless help is wanted */
  readonly url: URL;
  readonly headers: Headers;
  readonly transport: "auto" | "http" | "sse";
  readonly allowHttp: boolean;
  /** seconds a request may wait without a byte from the server, 0 for ever */
  readonly silenceSeconds: number;
}

const see = "see codemie-mcp-proxy --help";
const transports = ["auto", "http", "sse"] as const;
const standardSilenceSeconds = 600;

/**
 * Reads the bridge's command line.
 *
 * @param args what stands after the program's name
 * @param env where `${NAME}` in a header's value is looked up
 * @throws usage errors
 */
export function readMcpArgs(args: readonly string[], env: Env): McpArgs {
  const { values, positionals, tokens } = parseArgs({
    args: [...args],
    options: flags,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const def = Object.hasOwn(flags, token.name) ? flags[token.name as Flag] : undefined;
    if (!def) {
      const close = nearest(
        token.rawName,
        Object.keys(flags).map((name) => `--${name}`),
      );
      throw failure.usage(`codemie-mcp-proxy has no flag ${token.rawName}`, close ? `did you mean ${close}` : see);
    }
    if (def.type === "boolean" && token.value !== undefined)
      throw failure.usage(`${token.rawName} takes no value`, see);
    if (def.type === "string" && (!token.value || (!token.inlineValue && token.value.startsWith("--")))) {
      throw failure.usage(`${token.rawName} needs a value`, see);
    }
  }
  const text = (name: Flag) => values[name] as string | undefined;
  const is = (name: Flag) => values[name] === true;
  const transport = (text("transport") ?? "auto") as McpArgs["transport"];
  if (!transports.includes(transport)) {
    throw failure.usage(`there is no transport ${transport}`, `transports: ${transports.join(", ")}`);
  }
  const [url, ...more] = positionals;
  if (more.length > 0) throw failure.usage(`codemie-mcp-proxy does not take ${more[0]}`, see);
  const help = is("help");
  if (!help && url === undefined) {
    throw failure.usage(
      "codemie-mcp-proxy needs the address of an MCP server",
      "codemie-mcp-proxy https://mcp.example.com/mcp",
    );
  }
  return {
    help,
    url: help ? new URL("https://localhost") : serverUrl(url ?? "", is("allow-http")),
    headers: readHeaders((values.header ?? []) as string[], env),
    transport,
    allowHttp: is("allow-http"),
    silenceSeconds: secondsOf("--timeout", text("timeout"), standardSilenceSeconds),
  };
}

/**
 * @param text the server's address as typed
 * @param allowHttp whether plain `http:` may leave this machine
 * @throws usage error for what is no such address; credentials in it, and `http:` to other machines, are refused
 */
export function serverUrl(text: string, allowHttp: boolean): URL {
  const url = URL.parse(text);
  if (!url) throw failure.mcpUrl(text, "it is not a web address");
  if (url.username || url.password) {
    throw failure.mcpUrl(url.origin, "a user name or password in it is not allowed", "use --header for a credential");
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw failure.mcpUrl(text, `${url.protocol} is not supported, only https:`);
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname) && !allowHttp) {
    const hint = "use https:, or --allow-http if you know that nobody listens in between";
    throw failure.mcpUrl(text, "plain http: sends messages and tokens in clear", hint);
  }
  url.hash = "";
  return url;
}

function readHeaders(given: readonly string[], env: Env): Headers {
  const headers = new Headers();
  for (const line of given) {
    const [, name, raw] = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*:\s*(.*)$/s.exec(line) ?? [];
    // What is wrong with it is said without the value: it may be a credential.
    if (!name || raw === undefined) throw failure.usage("a --header is not of the form 'Name: value'", see);
    const value = raw.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, variable: string) => {
      const found = env[variable];
      if (!found) throw failure.usage(`--header ${name} needs the variable ${variable}, which is not set`, see);
      return found;
    });
    const safe = headerSafe(value.trim());
    if (safe === undefined) throw failure.usage(`the value of --header ${name} cannot be sent as a header`, see);
    headers.append(name, safe);
  }
  return headers;
}

function secondsOf(flag: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  if (!/^\d{1,5}$/.test(text))
    throw failure.usage(`${flag} ${text} is not a number of seconds`, `for example ${flag} 300`);
  return Number(text);
}
