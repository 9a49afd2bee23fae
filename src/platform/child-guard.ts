/**
 * Waits for the end of its input, which comes when this program dies, also by SIGKILL. Then it ends the child, with
 * force if it takes longer than 5 s, and says why. `$1`: the child's process number, `$2`: the text.
 */
const script = `trap '' HUP INT QUIT TERM PIPE
while read -r _; do :; done
kill -TERM "$1" 2>/dev/null || exit 0
left=50
while kill -0 "$1" 2>/dev/null && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
kill -KILL "$1" 2>/dev/null
printf '%s\\n' "$2" >&2`;

/**
 * Ends a child when this program crashes: it would keep asking a gateway that is gone. On Windows the runtime does that.
 *
 * @param pid process number of the child
 * @param text what the guard then says on standard error
 * @returns a function that ends the guard; call it when the child has ended
 */
export function guardChild(pid: number, text: string): () => void {
  if (process.platform === "win32") return () => undefined;
  try {
    const guard = Bun.spawn(["/bin/sh", "-c", script, "codemie", String(pid), text], {
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdio: ["pipe", "ignore", "inherit"],
      detached: true, // Ctrl-C at the terminal is not for the guard
    });
    guard.unref();
    return () => guard.kill("SIGKILL");
  } catch {
    return () => undefined; // no shell, no guard
  }
}
