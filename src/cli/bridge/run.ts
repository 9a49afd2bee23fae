import type { Env } from "../../core/env.ts";
import { realRuntime } from "../../platform/runtime.ts";
import { Output } from "../frame/output.ts";
import { runMcpProxy } from "./serve.ts";

/**
 * Runs the bridge from start to end. Prints a failure instead of throwing it.
 *
 * @param args the arguments after its name
 * @param env the environment as it was at the start
 * @returns as {@link runMcpProxy}, or the exit code of a failure
 */
export async function runBridge(args: readonly string[], env: Env): Promise<number> {
  const runtime = realRuntime(env, args.includes("--no-color"));
  // Standard output belongs to the client, unless nothing is bridged: then a script wants a document, for errors too.
  const isAlone = args.includes("--explain") || args.includes("--version");
  const output = new Output(runtime.terminal, isAlone && args.includes("--json"));
  try {
    return await runMcpProxy({ runtime, output, rest: [] }, args);
  } catch (error) {
    return output.ended(error);
  }
}
