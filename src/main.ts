import { basename } from "node:path";
import { versionLine } from "./cli/version.ts";

const program = basename(process.argv0).replace(/\.exe$/i, "");
const args = process.argv.slice(2);

if (!program.startsWith("codemie-") && args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
  // The one answer that loads nothing: standard output as a stream alone would cost three times as much as all of this.
  // biome-ignore lint/suspicious/noConsole: see above
  console.log(versionLine);
} else {
  const { withoutLoopbackProxy } = await import("./platform/network.ts");
  const { run } = await import("./cli/run.ts");
  // The runtime takes its proxies from the environment, for loopback as well; this is where that ends.
  const start = { ...process.env };
  Object.assign(process.env, withoutLoopbackProxy(start));
  process.exitCode = await run({ program, args }, start);
}
