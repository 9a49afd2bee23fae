import { basename } from "node:path";
import { versionLine } from "./core/version.ts";

const program = basename(process.argv0).replace(/\.exe$/i, "");
const args = process.argv.slice(2);

if (!program.startsWith("codemie-") && args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
  // The one answer that loads nothing: standard output as a stream alone would cost three times as much as all of this.
  // biome-ignore lint/suspicious/noConsole: see above
  console.log(versionLine);
} else {
  const { withoutLoopbackProxy } = await import("./platform/network.ts");
  // The runtime takes its proxies from the environment, for loopback as well; this is where that ends.
  const start = { ...process.env };
  Object.assign(process.env, withoutLoopbackProxy(start));
  const named = program === "codemie-mcp-proxy";
  if (named || (!program.startsWith("codemie-") && args[0] === "mcp-proxy")) {
    // Ten editor windows may run ten of them all day: it loads nothing of the other commands.
    const { runBridge } = await import("./cli/bridge/run.ts");
    process.exitCode = await runBridge(named ? args : args.slice(1), start);
  } else {
    const { run } = await import("./cli/frame/run.ts");
    process.exitCode = await run({ program, args }, start);
  }
}
