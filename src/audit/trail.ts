import { join } from "node:path";
import { randomBytes } from "../core/crypto.ts";
import { CodemieError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { platformFailure } from "../platform/failures.ts";
import {
  appendToFile,
  ensureFolder,
  makeEmptyFile,
  namesIn,
  removeAll,
  renameFile,
  syncFile,
  syncFolder,
  truncateFile,
} from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { checkFolder, readOwn, silently } from "../platform/private.ts";
import { userName } from "../platform/user.ts";
import {
  beginning,
  type End,
  endFile,
  endName,
  endNamed,
  endOf,
  fileOf,
  foreignMark,
  highest,
  type Link,
  lastOf,
  lineOf,
  linesPerFile,
  longestFile,
  macOf,
  missedName,
  missingLine,
  placeAfter,
  trailFile,
} from "./chain.ts";
import { type AuditEntry, type AuditFact, type AuditHead, auditEntry, entryOf, type HeadStore } from "./events.ts";
import { auditFailure } from "./failures.ts";
import { judgeTrail, type TrailLine, type Verification } from "./verdict.ts";

/**
 * The audit trail: JSON lines, each chained to the one before by a keyed hash, across files and processes. The key is
 * in the vault. The end of the trail is an empty file whose name holds the last line's number, sealed with that key. It
 * is renamed from line to line, since a rename happens completely or not at all. So {@link verify} finds every line
 * that somebody changed, removed, moved or added, also at the end. An earlier end, or none, shows by the vault's
 * records: each remembers the end that it was sealed after ({@link remember}).
 *
 * Writing a line and syncing the disk are two steps under two locks: the process that syncs takes along every line that
 * others wrote meanwhile, and those find their line on the disk when their turn comes.
 */
export class AuditTrail {
  readonly #folder: string;
  readonly #writeLock: string;
  readonly #syncLock: string;
  readonly #head: HeadStore;
  readonly #now: () => number;

  /**
   * @param home base folder of all our files
   * @param now clock, ms since the epoch
   */
  constructor(home: string, head: HeadStore, now: () => number) {
    this.#folder = join(home, "audit");
    this.#writeLock = join(home, "run", "audit.lock");
    this.#syncLock = join(home, "run", "audit-sync.lock");
    this.#head = head;
    this.#now = now;
  }

  /**
   * Writes one event, and returns once it is on the disk. If events before could not be written, or are gone, a line
   * that says so goes first.
   *
   * @returns the line that says that the trail is broken, if it wrote one
   * @throws `disk`, `vault_locked`, `vault_damaged`, and whatever the head's store throws: the next line then says that
   *   this one is missing, if {@link missed} can leave its note; `audit_unsynced` when the line is written, but perhaps
   *   not on the disk
   */
  async append(fact: AuditFact): Promise<AuditFact | undefined> {
    let written: Written;
    try {
      await ensureFolder(this.#folder);
      const actor = await userName();
      written = await withLock(this.#writeLock, "the audit trail", () => this.#write(fact, actor));
    } catch (error) {
      this.missed(fact);
      throw error instanceof CodemieError ? error : platformFailure.disk(this.#folder, error);
    }
    try {
      await this.#settle(written.link, written.head);
    } catch (error) {
      throw auditFailure.unsynced(error instanceof CodemieError ? error : platformFailure.disk(this.#folder, error));
    }
    return written.broken;
  }

  /** Leaves a note for the next line that an event is missing. It is an empty file, which fits even on a full disk. */
  missed({ event }: AuditFact): void {
    const name = `missed-${this.#now()}-${event}-${randomBytes(6).toString("hex")}`;
    try {
      checkFolder(this.#folder, silently);
      makeEmptyFile(join(this.#folder, name));
    } catch {
      // There is no trail yet, or nothing can be written at all: only the caller's message is left.
    }
  }

  /**
   * @returns every line that has the form of one, in order
   * @throws `vault_unreadable`
   */
  async entries(): Promise<AuditEntry[]> {
    const lines = this.#lines(await this.#names());
    return lines.flatMap(({ text }) => parseJson(text, auditEntry) ?? []);
  }

  /**
   * Checks the whole chain, from the first line to the end, and against what the vault's records remember. Lines
   * written meanwhile may or may not count.
   *
   * @throws as {@link entries}, and whatever the head's store throws
   */
  async verify(): Promise<Verification> {
    // In this order: by now there may be more lines than the records remember and the end says, never fewer.
    const remembered = await this.#head.remembered();
    const head = await this.#head.read();
    const { end } = head ? await this.#end(head) : {};
    const lines = this.#lines(await this.#names());
    // Another process may have begun the trail meanwhile.
    if (!head && lines.length > 0 && (await this.#head.read())) return await this.verify();
    return judgeTrail({ head, end, lines, remembered, firstFile: join(this.#folder, fileOf(1)) });
  }

  /**
   * Begins the trail if there is none, so that also the first record remembers it. It syncs nothing otherwise.
   *
   * @param before what the record remembers that is about to be replaced
   * @returns what a record must remember that is sealed now: the sealed end of the trail. As long as the trail lacks
   *   what `before` remembers, that stays, since else the next write would hide the gap
   * @throws as {@link append}
   */
  async remember(before: string | undefined): Promise<string | undefined> {
    await ensureFolder(this.#folder);
    const begun = () => withLock(this.#writeLock, "the audit trail", () => this.#headNow());
    const head = (await this.#head.read()) ?? (await begun());
    return await this.#remember(head, before);
  }

  /**
   * Keeps, beside the key, what a record remembers that is about to be removed, and the trail's end.
   *
   * @param mark what the record remembers, if there is one
   * @throws as {@link append}
   */
  async takeOver(mark: string | undefined): Promise<void> {
    if (mark === undefined && !(await this.#head.read())) return;
    await ensureFolder(this.#folder);
    await withLock(this.#writeLock, "the audit trail", async () => {
      const head = await this.#headNow();
      const now = await this.#remember(head, undefined);
      const all = [await this.#remember(head, mark), await this.#remember(head, head.seen)];
      const seen = highest(all.filter((one) => one !== now)) ?? now;
      if (seen !== undefined && seen !== head.seen) await this.#head.write({ ...head, seen });
    });
  }

  async #remember(head: AuditHead, before: string | undefined): Promise<string | undefined> {
    const { end, names } = await this.#end(head);
    // Somebody may have made the end up: then no record must remember it.
    if (end?.name === undefined || !(await this.#last(names, head, end)).last) return before;
    const seen = before === undefined ? undefined : endNamed(head.key, before);
    return seen === undefined || this.#holds(seen) ? end.name : before;
  }

  #holds(end: End): boolean {
    return lineOf(end, this.#text(fileOf(end.seq)).split("\n")) !== undefined;
  }

  /** Writes the line, without waiting for the disk. Call it under the write lock. */
  async #write(fact: AuditFact, actor: string): Promise<Written> {
    const head = await this.#headNow();
    const { end, names } = await this.#end(head);
    if (!end) throw auditFailure.endMissing(this.#head.file, this.#folder);
    const { last, count, file, tornAt } = await this.#last(names, head, end);
    if (tornAt !== undefined) await truncateFile(file, tornAt);
    // Nobody seals a line's mark before the line is written, which nobody does now: none can be ahead of the trail.
    const marks = (await this.#head.remembered()).map(({ mark }) => mark);
    const place = placeAfter(last, count, head.key, [...marks, head.seen]);
    const { broken } = place;
    let { link } = place;
    const add = async (one: AuditFact) => {
      const entry = entryOf(one, link.seq + 1, this.#now(), actor);
      const name = fileOf(entry.seq);
      if (!trailFile.test(name)) throw auditFailure.endMissing(this.#head.file, this.#folder);
      const mac = macOf(head.key, link.mac, entry);
      await appendToFile(join(this.#folder, name), `${JSON.stringify({ ...entry, mac })}\n`);
      link = { seq: entry.seq, mac };
    };
    if (broken) await add(broken);
    const missed = names.filter((name) => missedName.test(name));
    if (missed.length > 0) await add(missingLine(missed));
    for (const name of missed) await removeAll(join(this.#folder, name));
    await add(fact);
    // The end stays at the line that is gone, so nobody else will sync this one.
    if (!last) await syncFile(join(this.#folder, fileOf(link.seq)));
    return { link, head, broken };
  }

  /**
   * Syncs a line to the disk, with all before it, and moves the end there; another process may have done so already.
   */
  async #settle(link: Link, head: AuditHead): Promise<void> {
    const isSettled = (end: End | undefined) => end !== undefined && end.seq >= link.seq;
    if (isSettled((await this.#end(head)).end)) return;
    await withLock(this.#syncLock, "the audit trail", async () => {
      const { end, names } = await this.#end(head);
      if (isSettled(end)) return;
      if (!end) throw auditFailure.endMissing(this.#head.file, this.#folder);
      // Take along the lines that others wrote after ours.
      const { last = link } = await this.#last(names, head, end);
      const [settled, now] = [fileOf(end.seq), fileOf(last.seq)];
      for (const name of names) {
        if (trailFile.test(name) && name >= settled && name <= now) await syncFile(join(this.#folder, name));
      }
      if (settled !== now) await syncFolder(this.#folder);
      await this.#moveEnd(end, last, head);
    });
  }

  /** A power cut may undo this rename. That is why lines after the end count, as long as they fit. */
  async #moveEnd(end: End | undefined, link: Link, { key, seen }: AuditHead): Promise<void> {
    const to = join(this.#folder, endName(key, link));
    try {
      if (end?.name !== undefined) return await renameFile(join(this.#folder, end.name), to);
      await syncFile(to);
      await syncFolder(this.#folder);
    } catch (error) {
      throw error instanceof CodemieError ? error : platformFailure.disk(to, error);
    }
    await this.#head.write({ key, seen });
  }

  /** Reads the head, or begins a trail. Call it under the write lock. */
  async #headNow(): Promise<AuditHead> {
    return (await this.#head.read()) ?? (await this.#begin());
  }

  /**
   * Makes the end before the head: a head without an end means that somebody removed the end. If there was a trail
   * already, the head remembers it, and the first line says so.
   */
  async #begin(): Promise<AuditHead> {
    const key = randomBytes(32).toString("base64url");
    const names = await this.#names();
    for (const name of names) if (endFile.test(name)) await removeAll(join(this.#folder, name));
    const { count } = await this.#last(names, { key }, { ...beginning, name: undefined, isAt: () => true });
    const head = { key, seen: count > 0 ? foreignMark(key, count) : undefined };
    await this.#moveEnd(undefined, beginning, head);
    return head;
  }

  /** Looks for the end, several times: while another process renames it, the folder may show neither name, or both. */
  async #end(head: AuditHead): Promise<{ end: End | undefined; names: string[] }> {
    for (let looks = 1; ; looks++) {
      const names = await this.#names();
      const end = endOf(names, head);
      if (end || looks === 5) return { end, names };
      await Bun.sleep(2 ** looks);
    }
  }

  /**
   * Finds the line to continue the chain from.
   *
   * @returns `last`, the result of {@link lastOf}; `count`, how many lines there are; `file`, the newest one; `tornAt`,
   *   the byte in it where half a line begins, if a process was killed while it wrote
   * @throws `vault_unreadable`
   */
  async #last(
    names: readonly string[],
    { key }: AuditHead,
    end: End,
  ): Promise<{ last: Link | undefined; count: number; file: string; tornAt: number | undefined }> {
    const files = names.filter((name) => trailFile.test(name));
    const newest = files.at(-1) ?? fileOf(1);
    const lines: string[] = [];
    let tornAt: number | undefined;
    let count = 0;
    // Read only from the end on: nobody writes before it any more.
    const first = fileOf(Math.max(end.seq, 1));
    for (const name of files.filter((one) => one >= first || one === newest)) {
      const text = this.#text(name);
      const whole = text.slice(0, text.lastIndexOf("\n") + 1);
      tornAt = whole.length < text.length ? Buffer.byteLength(whole) : undefined;
      const own = whole.split("\n").slice(0, -1);
      lines.push(...own);
      count = (Number(/\d+/.exec(name)) - 1) * linesPerFile + own.length;
    }
    return { last: lastOf(lines, key, end), count, file: join(this.#folder, newest), tornAt };
  }

  #text(name: string, isAppended = true): string {
    return readOwn(join(this.#folder, name), { most: longestFile, isAppended }) ?? "";
  }

  async #names(): Promise<string[]> {
    return await namesIn(this.#folder);
  }

  #lines(names: readonly string[]): TrailLine[] {
    const files = names.filter((one) => trailFile.test(one));
    return files.flatMap((name) => {
      // After the last line feed comes nothing, or half a line that a process is writing or was killed over.
      const lines = this.#text(name, name === files.at(-1)).split("\n");
      return lines.slice(0, -1).map((text, i) => ({ file: join(this.#folder, name), line: i + 1, text }));
    });
  }
}

/** A line that was written: its place, and the line before it that says that the trail is broken, if any. */
interface Written {
  readonly link: Link;
  readonly head: AuditHead;
  readonly broken: AuditFact | undefined;
}
