import { createHmac, randomBytes } from "node:crypto";
import { open, readdir, readFile, truncate } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { failure, systemCode } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { ensureFolder } from "../platform/files.ts";
import { withLock } from "../platform/lock.ts";
import { type AuditEntry, type AuditFact, type AuditHead, auditEntry } from "./events.ts";

/** A file is closed and the next one begun once it has this many lines. */
const linesPerFile = 1_000;

/** Where the head of the chain is kept: in the vault. */
export interface HeadStore {
  /** @returns the head, or undefined when nothing was ever written */
  read(): Promise<AuditHead | undefined>;
  write(head: AuditHead): Promise<void>;
}

/** How a verification ended. */
export type Verdict =
  | { readonly ok: true; readonly entries: number }
  /** the first line that does not fit, and why */
  | { readonly ok: false; readonly file: string; readonly line: number; readonly why: string };

/**
 * The audit trail: JSON lines, each chained to the one before by a keyed hash, across files and processes. The key and
 * the last line's hash are sealed in the vault, so a line that was changed, removed, moved or added is found, also at
 * the end.
 */
export class AuditTrail {
  readonly #folder: string;
  readonly #lock: string;
  readonly #head: HeadStore;
  readonly #now: () => number;

  constructor(home: string, head: HeadStore, now: () => number) {
    this.#folder = join(home, "audit");
    this.#lock = join(home, "run", "audit.lock");
    this.#head = head;
    this.#now = now;
  }

  /**
   * Writes one event.
   *
   * @throws `disk`, `vault_locked`, and what the head's store throws
   */
  async append(fact: AuditFact): Promise<void> {
    await ensureFolder(this.#folder);
    await withLock(this.#lock, "the audit trail", async () => {
      const stored = (await this.#head.read()) ?? { key: randomBytes(32).toString("base64url"), seq: 0, mac: "" };
      const head = await this.#afterCrash(stored);
      const entry = {
        seq: head.seq + 1,
        time: new Date(this.#now()).toISOString(),
        event: fact.event,
        actor: await userName(),
        profile: fact.profile,
        host: fact.host,
        outcome: fact.outcome,
        detail: fact.detail ?? {},
      };
      const mac = macOf(head.key, head.mac, entry);
      const file = join(this.#folder, fileName(entry.seq));
      const line = `${JSON.stringify({ ...entry, mac })}\n`;
      await appendSynced(file, line);
      await this.#head.write({ key: head.key, seq: entry.seq, mac });
    });
  }

  /** @returns every line that can be read, in order */
  async entries(): Promise<AuditEntry[]> {
    const lines = await this.#lines();
    return lines.flatMap(({ text }) => parseJson(text, auditEntry) ?? []);
  }

  /** Checks the whole chain, from the first line to the head. */
  async verify(): Promise<Verdict> {
    return await withLock(this.#lock, "the audit trail", async () => {
      const stored = await this.#head.read();
      const head = stored && (await this.#afterCrash(stored));
      const lines = await this.#lines();
      let [seq, mac] = [0, ""];
      for (const { file, line, text } of lines) {
        const wrong = (why: string): Verdict => ({ ok: false, file, line, why });
        const entry = parseJson(text, auditEntry);
        if (!entry) return wrong("it is not a line of the trail");
        if (!head) return wrong("the vault knows of no trail");
        if (entry.seq !== seq + 1) return wrong(`line ${seq + 1} is missing before it`);
        const { mac: given, ...rest } = entry;
        if (macOf(head.key, mac, rest) !== given || JSON.stringify({ ...rest, mac: given }) !== text) {
          return wrong("it was changed, or belongs elsewhere");
        }
        [seq, mac] = [entry.seq, given];
      }
      if (head && (seq !== head.seq || mac !== head.mac)) {
        const last = lines.at(-1);
        const why = `the lines after it are missing, up to ${head.seq}`;
        return { ok: false, file: last?.file ?? join(this.#folder, fileName(1)), line: last?.line ?? 0, why };
      }
      return { ok: true, entries: seq };
    });
  }

  /**
   * A process that was killed while it wrote leaves half a line, which is cut off, or a whole one that the head does not
   * know of yet, which is taken: only a holder of the key could have written it.
   */
  async #afterCrash(head: AuditHead): Promise<AuditHead> {
    const file = join(this.#folder, fileName(head.seq + 1));
    const text = await readFile(file, "utf8").catch(() => "");
    const end = text.lastIndexOf("\n") + 1;
    if (end < text.length) await truncate(file, Buffer.byteLength(text.slice(0, end)));
    const last = parseJson(text.slice(0, end).trimEnd().split("\n").at(-1) ?? "", auditEntry);
    if (last?.seq !== head.seq + 1) return head;
    const { mac, ...entry } = last;
    return macOf(head.key, head.mac, entry) === mac ? { key: head.key, seq: last.seq, mac } : head;
  }

  async #lines(): Promise<{ file: string; line: number; text: string }[]> {
    const names = await readdir(this.#folder).catch((error: unknown) => {
      if (systemCode(error) === "ENOENT") return [];
      throw failure.vaultUnreadable(this.#folder, systemCode(error));
    });
    const found: { file: string; line: number; text: string }[] = [];
    for (const name of names.filter((one) => /^audit-\d{6}\.jsonl$/.test(one)).sort()) {
      const file = join(this.#folder, name);
      const text = await readFile(file, "utf8");
      const lines = text.split("\n");
      if (lines.at(-1) === "") lines.pop();
      for (const [i, one] of lines.entries()) found.push({ file, line: i + 1, text: one });
    }
    return found;
  }
}

const fileName = (seq: number) => `audit-${String(Math.ceil(seq / linesPerFile)).padStart(6, "0")}.jsonl`;

/** The order of the members is part of what is signed, so it is fixed here and by the schema. */
function macOf(key: string, before: string, entry: Omit<AuditEntry, "mac">): string {
  return createHmac("sha256", Buffer.from(key, "base64url"))
    .update(`${before}\n${JSON.stringify(entry)}`)
    .digest("base64url");
}

async function appendSynced(file: string, line: string): Promise<void> {
  try {
    const handle = await open(file, "a", 0o600);
    try {
      await handle.writeFile(line);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failure.disk(file, error);
  }
}

/** The user's number, and the system's name for it. The environment's `USER` is anybody's to set, so it is not asked. */
async function userName(): Promise<string> {
  const uid = process.getuid?.();
  if (uid === undefined) return userInfo().username;
  const names = await readFile("/etc/passwd", "utf8").catch(() => "");
  const name = names
    .split("\n")
    .find((line) => line.split(":")[2] === String(uid))
    ?.split(":")[0];
  return name ? `${name} (${uid})` : `(${uid})`;
}
