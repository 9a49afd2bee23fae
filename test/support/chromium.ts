/**
 * The Chromium the tests drive: the one that `CHROMIUM` names, or one on PATH. Debian's chromium-headless-shell goes before
 * the others: the same browser without its windows, which nobody sees here, for half of the processor's time.
 */
export function chromiumPath(): string | undefined {
  const names = ["chromium-headless-shell", "chromium", "google-chrome"];
  return process.env.CHROMIUM || names.map((name) => Bun.which(name)).find((path) => path !== null) || undefined;
}
