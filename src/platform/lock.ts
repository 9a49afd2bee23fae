import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { failure, systemCode } from "../core/errors.ts";
import { ensureFolder } from "./files.ts";

/** How long a lock may be held by others before we give up, in ms: longer than any storing, shorter than patience. */
const defaultPatienceMs = 10_000;

/**
 * Runs `work` while no other process (and no other call in this one) runs with the same lock file.
 *
 * The lock is SQLite's exclusive lock on an empty database: the operating system drops it with its owner, however that
 * one dies, so there is no such thing as a stale lock.
 *
 * @param file the lock's file, made when missing and never removed
 * @param what what is locked, in words for the error
 * @param work runs once the lock is held
 * @param patienceMs how long to wait for others, ms
 * @throws `vault_locked` after `patienceMs`; `disk` when the lock's file cannot be made; whatever `work` throws
 */
export async function withLock<T>(
  file: string,
  what: string,
  work: () => Promise<T>,
  patienceMs = defaultPatienceMs,
): Promise<T> {
  await ensureFolder(dirname(file));
  const { Database } = await import("bun:sqlite");
  let database: InstanceType<typeof Database>;
  try {
    await (await open(file, "a", 0o600)).close();
    database = new Database(file, { readwrite: true });
  } catch (error) {
    throw failure.disk(file, error);
  }
  try {
    const deadline = performance.now() + patienceMs;
    while (!tryLock(database, file)) {
      if (performance.now() >= deadline) throw failure.locked(what, Math.round(patienceMs / 1000));
      // Another process's lock raises no event here; a short uneven pause keeps waiters from marching in step.
      await Bun.sleep(5 + Math.random() * 20);
    }
    return await work();
  } finally {
    database.close();
  }
}

/** SQLite's own waiting would block the event loop, and with it every stream of the gateway: so it is tried, not awaited. */
function tryLock(database: { run(sql: string): unknown }, file: string): boolean {
  try {
    database.run("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (systemCode(error).startsWith("SQLITE_BUSY")) return false;
    throw failure.disk(file, error);
  }
}
