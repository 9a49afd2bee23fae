import { dlopen, ptr } from "bun:ffi";

/** Signals that a crash raises, where Linux and macOS agree on the number: SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV. */
const crashSignals = [4, 5, 6, 8, 11];
const busError = process.platform === "linux" ? 7 : 10;
/** `RLIMIT_CORE` (sys/resource.h) and `PR_SET_DUMPABLE` (sys/prctl.h). */
const coreLimit = 4;
const setDumpable = 4;
/** The C library of Linux (musl takes glibc's name for its own) and of macOS. */
export const libraryName = process.platform === "linux" ? "libc.so.6" : "libSystem.B.dylib";
/** `SIG_DFL`: the system ends the process. */
const byDefault = null;

type System = ReturnType<typeof openSystem>;
let system: System | undefined;
/** soft and hard limit of the size of core files, bytes, as this process was started with */
const coreLimits = new BigUint64Array(2);

/**
 * Keeps a crash from giving anything away, on Linux and macOS:
 * - No core file: it would hold every credential in memory. On Linux other programs of the same user cannot read this
 *   process's memory either.
 * - No report by the runtime: it prints all arguments, and on macOS sends a part of it to the runtime's makers.
 */
export function containCrashes(): void {
  if (process.platform === "win32") return;
  try {
    system = openSystem();
    const text = (value: string) => ptr(Buffer.from(`${value}\0`));
    // For a crash that raises no signal: an empty address means that nothing is sent.
    system.setenv(text("BUN_CRASH_REPORT_URL"), text(""), 1);
    for (const signal of [...crashSignals, busError]) system.signal(signal, byDefault);
    if (system.getrlimit(coreLimit, ptr(coreLimits)) !== 0) return;
    setCoreLimit(0n);
    if (process.platform === "linux") openLinux().prctl(setDumpable, 0n, 0n, 0n, 0n);
  } catch {
    // A system without such a library: a crash then does what the runtime does.
    system = undefined;
  }
}

/**
 * Runs work that starts a program, and lets the program inherit the limit of core files that we were started with.
 *
 * @param work synchronous
 * @returns the result of `work`; throws as `work`
 */
export function withCoreFiles<T>(work: () => T): T {
  setCoreLimit(coreLimits[0] ?? 0n);
  try {
    return work();
  } finally {
    setCoreLimit(0n);
  }
}

function setCoreLimit(soft: bigint): void {
  system?.setrlimit(coreLimit, ptr(new BigUint64Array([soft, coreLimits[1] ?? 0n])));
}

function openSystem() {
  return dlopen(libraryName, {
    signal: { args: ["int", "ptr"], returns: "ptr" },
    setenv: { args: ["ptr", "ptr", "int"], returns: "int" },
    getrlimit: { args: ["int", "ptr"], returns: "int" },
    setrlimit: { args: ["int", "ptr"], returns: "int" },
  }).symbols;
}

function openLinux() {
  return dlopen(libraryName, { prctl: { args: ["int", "u64", "u64", "u64", "u64"], returns: "int" } }).symbols;
}
