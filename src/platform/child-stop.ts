import { dlopen, ptr } from "bun:ffi";
import { libraryName } from "./crash.ts";
import { onSignals } from "./signals.ts";

/** `P_PID`, `WNOHANG` and `WSTOPPED` (sys/wait.h). */
const byNumber = 1;
const withoutWaiting = 1;
const stoppedOnes = process.platform === "linux" ? 2 : 8;
/** Size of `siginfo_t`, bytes; macOS takes less. */
const infoBytes = 128;
/** Ctrl-Z usually stops us together with the child, and `fg` wakes us first: the child gets this long to wake, ms. */
const pauseMs = 50;

/**
 * Stops this process whenever its child stops, as the shell expects of a job: a program that takes Ctrl-Z as a key stops
 * only itself, and the shell would wait for us. When we continue, so does the child. Does nothing on Windows.
 *
 * @param pid process number of the child, which is ours to wait for
 * @returns a function that ends this; call it when the child has ended
 */
export function stopWithChild(pid: number): () => void {
  if (process.platform === "win32") return () => undefined;
  const look = () => {
    if (isStopped(pid)) process.kill(process.pid, "SIGSTOP");
  };
  // It may have stopped before we listen.
  let timer = setTimeout(look, pauseMs);
  const leave = onSignals(["SIGCHLD", "SIGCONT"], (signal) => {
    clearTimeout(timer);
    if (signal === "SIGCONT") process.kill(pid, "SIGCONT");
    else timer = setTimeout(look, pauseMs);
  });
  return () => {
    clearTimeout(timer);
    leave();
  };
}

/** @returns true when the child has stopped and this was not asked since */
function isStopped(pid: number): boolean {
  try {
    const { symbols } = dlopen(libraryName, {
      waitid: { args: ["int", "int", "ptr", "int"], returns: "int" },
    });
    const info = new Int32Array(infoBytes / 4);
    // Without a change the structure stays empty (POSIX, waitid).
    return symbols.waitid(byNumber, pid, ptr(info), withoutWaiting | stoppedOnes) === 0 && info[0] !== 0;
  } catch {
    return false;
  }
}
