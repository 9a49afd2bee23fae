import { onTestFinished } from "bun:test";
import { Person } from "../codemie.ts";
import { RawBridge } from "./bridge.ts";
import { type Script, type Scripted, startScripted } from "./scripted.ts";

/** Starts a bridge to an address, on a machine of its own. It ends with the test. */
export function bridgeTo(url: string, flags: readonly string[] = [], env: Record<string, string> = {}): RawBridge {
  const person = new Person();
  const bridge = new RawBridge(person, [url, ...flags], { env });
  onTestFinished(async () => {
    await bridge.end();
    person.remove();
  });
  return bridge;
}

/** Starts an MCP server that follows a script, and a bridge to it. Both end with the test. */
export async function scriptedBridge(
  script?: Script,
  flags: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<{ server: Scripted; bridge: RawBridge }> {
  const server = await startScripted(script);
  const bridge = bridgeTo(server.url, flags, env);
  onTestFinished(() => server.close());
  return { server, bridge };
}
