import { rename, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { appendToFile, ensureFolder } from "./files.ts";
import { withLock } from "./lock.ts";

/** The log is rotated once it has this size, bytes. */
const rotateAtBytes = 1_000_000;
/** How many rotated files are kept. */
const kept = 3;
/** How many lines may wait to be written; any more are dropped and counted. */
const mostWaiting = 1_000;
/** How long another process may take to rotate, ms. */
const patienceMs = 1_000;

/**
 * A log that several processes write to, line by line. It never fails its caller: it drops lines that it cannot write,
 * also because the file is a link or another user's.
 */
export class LogFile {
  readonly #file: string;
  readonly #lock: string;
  #lines: string[] = [];
  #dropped = 0;
  #writing: Promise<void> | undefined;

  /**
   * @param home base folder of all our files
   * @param name the file's name in `logs/`
   */
  constructor(home: string, name: string) {
    this.#file = join(home, "logs", name);
    this.#lock = join(home, "run", `log-${name}.lock`);
  }

  /** Queues a line to be written soon. */
  write(line: string): void {
    if (this.#lines.length < mostWaiting) this.#lines.push(`${line}\n`);
    else this.#dropped++;
    this.#writing ??= this.#flush().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Waits until every line queued so far is in the file, or dropped. */
  async flushed(): Promise<void> {
    while (this.#writing) await this.#writing;
  }

  async #flush(): Promise<void> {
    try {
      await ensureFolder(dirname(this.#file));
      while (this.#lines.length > 0) {
        if (this.#dropped > 0)
          this.#lines.push(`${this.#dropped} lines were dropped: they came faster than they could be written\n`);
        const text = this.#lines.join("");
        this.#lines = [];
        this.#dropped = 0;
        await this.#rotate();
        // One write of whole lines at the end of the file, so that lines of several processes do not mix.
        await appendToFile(this.#file, text);
      }
    } catch {
      this.#lines = [];
    }
  }

  async #rotate(): Promise<void> {
    const size = async () => (await stat(this.#file).catch(() => undefined))?.size ?? 0;
    if ((await size()) < rotateAtBytes) return;
    await withLock(
      this.#lock,
      "the log",
      async () => {
        if ((await size()) < rotateAtBytes) return;
        for (let n = kept; n > 0; n--) {
          const from = n === 1 ? this.#file : `${this.#file}.${n - 1}`;
          await rename(from, `${this.#file}.${n}`).catch(() => undefined);
        }
      },
      patienceMs,
    ).catch(() => undefined);
  }
}
