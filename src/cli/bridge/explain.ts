import { asCodemieError } from "../../core/errors.ts";
import { addressOnly, printable } from "../../core/text.ts";
import { version } from "../../core/version.ts";
import { whenDemanded } from "../../mcp/authorization.ts";
import { chooseTransport } from "../../mcp/choose-transport.ts";
import { explain } from "../../mcp/explain.ts";
import type { Log } from "../../mcp/log.ts";
import { ServerClient } from "../../mcp/server-client.ts";
import type { Step, Trace } from "../../oauth/trace.ts";
import { Cookies } from "../../platform/cookie-jar.ts";
import { isTerminal } from "../../platform/is-terminal.ts";
import type { Fetch } from "../../platform/network.ts";
import { stopSignal } from "../../platform/signals.ts";
import type { Cli } from "../frame/command.ts";
import type { McpArgs } from "./args.ts";

/** How long giving up the tokens and the client's registration may take at the end, ms. */
const patienceMs = 2_000;

/**
 * Shows the way to a server step by step: each request, its answer, the specification behind it, and what to do about
 * the step that failed.
 *
 * @returns 0 when the server can be used, else the failure's exit code
 * @throws `interrupted`, `terminated`
 */
export async function runExplain(cli: Cli, asked: McpArgs): Promise<number> {
  const { runtime, output } = cli;
  const { url } = asked;
  const stop = stopSignal();
  const log: Log = { info: () => undefined, debug: () => undefined, toOpen: () => undefined };
  const steps: Step[] = [];
  const trace: Trace = (step) => {
    steps.push(step);
    output.progress(line(cli, step));
  };
  const fetch: Fetch = async (address, options) => {
    const response = await runtime.fetch(address, options);
    const challenge = response.headers.get("www-authenticate");
    const detail = `${options?.method ?? "GET"} ${addressOnly(new URL(address))} → ${response.status}`;
    const ok = response.status < 400 || response.status === 401;
    const reference = challenge === null ? {} : { reference: "RFC 6750 section 3" };
    trace({
      name: "server",
      ok,
      detail: challenge === null ? detail : `${detail}, ${server.masked(challenge)}`,
      ...reference,
    });
    return response;
  };
  if (isTerminal("stderr") && !output.json) output.say.info(`asking ${url.origin}…`);
  const cookies = new Cookies();
  const authorization = whenDemanded(async () => {
    const { oauthSession } = await import("./oauth.ts");
    return await oauthSession(cli, asked, { cookies, log, stop, trace });
  });
  const server = new ServerClient({ url, headers: asked.headers, fetch, cookies, authorization, log });
  const open = await chooseTransport(asked.transport, asked.protocol, server, log, asked.silenceMs);
  const ended = new Promise<never>((_, reject) => stop.addEventListener("abort", () => reject(stop.reason)));
  const client = { name: "codemie", version };
  try {
    const found = await Promise.race([explain(url, client, server.masked, open, steps, trace), ended]);
    const { error } = found;
    const failed = error && { code: error.code, message: error.message, hint: error.hint ?? null };
    output.result({ ...found, error: failed ?? null }, () =>
      error ? [] : [`${output.paint("good", "✓")} ${addressOnly(url)} can be used`],
    );
    if (error && !output.json) output.fail(error);
    return error ? asCodemieError(error).exitCode : 0;
  } finally {
    await authorization.close(patienceMs);
  }
}

function line({ output }: Cli, { name, ok, detail, reference }: Step): string {
  const mark = ok ? output.paint("good", "✓") : output.paint("bad", "✗");
  const source = reference === undefined ? "" : output.paint("dim", `  (${reference})`);
  return `${mark} ${output.paint("bold", name)}  ${printable(detail, 500)}${source}`;
}
