import type { Env } from "../../core/env.ts";
import { realRuntime } from "../../platform/runtime.ts";
import { Output } from "../frame/output.ts";
import { runMcpProxy } from "./serve.ts";

/**
 * Runs the bridge from start to end.
 *
 * @param args what stands after its name
 * @param env the environment as it was at the start
 * @returns the exit code, where it returns at all
 */
export async function runBridge(args: readonly string[], env: Env): Promise<number> {
  const runtime = realRuntime(env, args.includes("--no-color"));
  // Standard output is the client's: what is wrong is said there to a script that asked for a document, and to nobody else.
  const output = new Output(runtime.terminal, args.includes("--explain") && args.includes("--json"));
  try {
    return await runMcpProxy({ runtime, output, rest: [] }, args);
  } catch (error) {
    return output.ended(error);
  }
}
