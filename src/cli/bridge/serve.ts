import { resolve } from "node:path";
import { asCodemieError } from "../../core/errors.ts";
import { addressOnly } from "../../core/text.ts";
import { within } from "../../core/time.ts";
import { version, versionLine } from "../../core/version.ts";
import { whenDemanded } from "../../mcp/authorization.ts";
import { Bridge } from "../../mcp/bridge.ts";
import { chooseTransport } from "../../mcp/choose-transport.ts";
import { mcpFailure } from "../../mcp/failures.ts";
import { readLines } from "../../mcp/framing.ts";
import { type Log, makeLog } from "../../mcp/log.ts";
import { ServerClient } from "../../mcp/server-client.ts";
import { Cookies } from "../../platform/cookie-jar.ts";
import { LogFile } from "../../platform/log-file.ts";
import { endProcess, onceOrphaned, onUncaught, processId } from "../../platform/self.ts";
import { stopSignal } from "../../platform/signals.ts";
import { realStdio } from "../../platform/stdio.ts";
import type { Cli } from "../frame/command.ts";
import { type McpArgs, readMcpArgs } from "./args.ts";
import { bridgeFailure } from "./failures.ts";
import { headersOf } from "./headers.ts";

/** How long answers under way may still come after the client has closed standard input, ms. */
const graceMs = 600;
/**
 * How long the server may take to end the session, and then to revoke the tokens, ms each. Together with the other
 * limits this stays below the 2 s promised.
 */
const patienceMs = 400;

/** Longest file with headers, bytes. */
const longestHeaderFile = 64 * 1024;

/** How long the client may take to read the last answers, ms. */
const lastWordsMs = 200;

/**
 * Runs the bridge until the client closes standard input, a signal comes, or the client dies; then ends the process.
 * Until then standard output carries JSON-RPC and nothing else.
 *
 * @returns the exit code of `--help`, `--version` and `--explain`, which do not bridge
 * @throws usage errors, and as `runExplain`
 */
export async function runMcpProxy(given: Cli, args: readonly string[]): Promise<number> {
  const read = readMcpArgs(args, given.runtime.env);
  if (read.help) {
    const { mcpHelp } = await import("./help.ts");
    given.output.text(mcpHelp(given.output));
    return 0;
  }
  if (read.version) {
    given.output.result({ version, build: versionLine }, () => [versionLine]);
    return 0;
  }
  const asked = read.headerFile === undefined ? read : await withHeaderFile(read, read.headerFile, given.runtime.cwd);
  const runtime = { ...given.runtime, secretVariables: asked.secretVariables };
  const cli = { ...given, runtime };
  if (asked.explain) {
    const { runExplain } = await import("./explain.ts");
    return await runExplain(cli, asked);
  }
  const file = new LogFile(runtime.home, "mcp-proxy.log");
  const verbose = [runtime.env.MCP_PROXY_DEBUG, runtime.env.CODEMIE_DEBUG].some((one) => one === "true" || one === "1");
  const toBoth = (line: string) => {
    file.write(line);
    if (verbose) runtime.terminal.err(`${line}\n`);
  };
  const log = makeLog(toBoth, verbose, runtime.now, processId());
  log.info(`bridge ${version} to ${addressOnly(asked.url)}`);
  // A client's own log is no terminal; a person who tries the program by hand sees why nothing happens.
  if (runtime.terminal.interactive) {
    cli.output.say.info(
      "waiting for an MCP client, which sends JSON-RPC here (Ctrl-C to stop); --explain tries the server",
    );
  }
  const { code, why } = await serve(cli, asked, log);
  log.info(`ended: ${why}`);
  await file.flushed();
  endProcess(code);
}

/** Adds the headers of the file; those of the command line replace them. */
async function withHeaderFile(read: McpArgs, name: string, cwd: string): Promise<McpArgs> {
  const file = resolve(cwd, name);
  const { readNamedText } = await import("../../platform/foreign-files.ts");
  const text = await readNamedText(file, longestHeaderFile);
  if (text === undefined) throw bridgeFailure.noHeaderFile(file);
  const headers = headersOf(text, file);
  for (const [header, value] of read.headers) headers.set(header, value);
  return { ...read, headers };
}

async function ignored(patterns: readonly string[]) {
  if (patterns.length === 0) return undefined;
  const { IgnoredTools } = await import("../../mcp/ignored-tools.ts");
  return new IgnoredTools(patterns);
}

/** @returns what {@link withExtensionOf} does; its code is loaded where a grant has an extension */
async function extensionOf(grant: McpArgs["grant"]) {
  if (grant === "authorization-code") return undefined;
  const { withExtensionOf } = await import("../../mcp/extensions.ts");
  return withExtensionOf(grant);
}

async function serve(cli: Cli, asked: McpArgs, log: Log): Promise<{ code: number; why: string }> {
  const { runtime } = cli;
  const stdio = realStdio();
  const stop = stopSignal();
  const ended = Promise.withResolvers<{ code: number; why: string; graceMs: number }>();
  stop.addEventListener("abort", () => {
    const failed = asCodemieError(stop.reason);
    ended.resolve({ code: failed.exitCode, why: failed.message, graceMs: 0 });
  });
  onceOrphaned(() => ended.resolve({ code: 0, why: "the client is gone", graceMs: 0 }));
  onUncaught((error) => log.info(`unexpected: ${asCodemieError(error).message}`));

  const { url } = asked;
  const cookies = new Cookies();
  const closing = new AbortController();
  const authorization = whenDemanded(async () => {
    const { oauthSession } = await import("./oauth.ts");
    return await oauthSession(cli, asked, { cookies, log, stop: closing.signal });
  });
  const server = new ServerClient({ url, headers: asked.headers, fetch: runtime.fetch, cookies, authorization, log });
  let written = Promise.resolve();
  const write = (line: string) => {
    written = stdio.write(`${line}\n`).catch(() => {
      ended.resolve({ code: 0, why: "nobody reads the answers", graceMs: 0 });
    });
    return written;
  };
  const transport = await chooseTransport(asked.transport, asked.protocol, server, log, asked.silenceMs);
  const ignoredTools = await ignored(asked.ignoredTools);
  const declared = await extensionOf(asked.grant);
  const bridge = new Bridge({ origin: url.origin, transport, masked: server.masked, write, log, ignoredTools });
  const reading = (async () => {
    for await (const line of readLines(stdio.input)) {
      bridge.fromClient(declared && "text" in line ? { text: declared(line.text) } : line);
    }
    ended.resolve({ code: 0, why: "end of input", graceMs });
  })();
  reading.catch(() => ended.resolve({ code: 0, why: "standard input failed", graceMs: 0 }));

  const end = await ended.promise;
  if (end.graceMs === 0) closing.abort(mcpFailure.closing());
  await bridge.close(end.graceMs, patienceMs);
  closing.abort(mcpFailure.closing());
  await authorization.close(patienceMs);
  await within(lastWordsMs, written);
  return end;
}
