import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/*
 * Measures the most memory a program held. The system counts what its parent held when it was started, and a test's process
 * may hold a gigabyte of an earlier file's; so this file, run on its own, starts the program.
 */

/**
 * @param command a program and its arguments
 * @param folder where a small file may lie
 * @returns `command`: what to run in its place, with the same outputs and exit code; `peakMb`: once it has ended, the most
 *   memory it held, MB
 */
export function measured(command: readonly string[], folder: string): { command: string[]; peakMb(): number } {
  const file = join(folder, `memory-${crypto.randomUUID()}`);
  return {
    command: [process.execPath, join(import.meta.dir, "measured.ts"), file, ...command],
    peakMb: () => Number(readFileSync(file, "utf8")) / (1024 * 1024),
  };
}

if (import.meta.main) {
  const [file = "", ...command] = process.argv.slice(2);
  const child = Bun.spawn(command, { stdio: ["inherit", "inherit", "inherit"] });
  const code = await child.exited;
  writeFileSync(file, String(child.resourceUsage()?.maxRSS));
  process.exit(code);
}
