import { resolve } from "node:path";
import { record } from "../../../access/audit.ts";
import { mostTries } from "../../../access/context.ts";
import { isTyped, passphraseOf } from "../../../access/passphrase.ts";
import {
  asLogin,
  importedProfile,
  largestExport,
  type Portable,
  portable,
  profileOfRecord,
} from "../../../access/portable.ts";
import { storesToChange } from "../../../access/stores.ts";
import { loginRecord, type StoredLogin } from "../../../auth/credential.ts";
import { describe, previousLogin, samePerson } from "../../../auth/stored-login.ts";
import { parseJson } from "../../../core/json.ts";
import { printable } from "../../../core/text.ts";
import { readNamed, whyUnreadable } from "../../../platform/foreign-files.ts";
import { untilStopped } from "../../../platform/signals.ts";
import { type Profile, profileName } from "../../../profiles/config.ts";
import { hostOf } from "../../../profiles/resolve.ts";
import { vaultFailure } from "../../../vault/failures.ts";
import { openExport } from "../../../vault/portable.ts";
import type { Vault } from "../../../vault/vault.ts";
import { type Cli, command } from "../../frame/command.ts";
import { commandFailure } from "../failures.ts";
import { passphraseArgs } from "./passphrase-args.ts";

/** Outcomes of the import of a record, in words. */
const outcomes = {
  imported: "imported",
  replaced: "imported; the login that was here is kept aside",
  same: "is here already",
  kept: "left out: there is another login here (--replace imports the file's and keeps this one aside)",
  "other-person": "left out: the login here is another person's (--yes imports the file's anyway)",
  "other-host": "left out: the profile here belongs to another host",
  unknown: "left out: not a login this version knows",
} as const;
type Outcome = keyof typeof outcomes;

interface Imported {
  readonly name: string;
  readonly outcome: Outcome;
  readonly login?: StoredLogin;
  /** settings of its profile in the file that are not imported */
  readonly leftOut?: readonly string[];
}

/** `codemie vault import FILE`. It exits 4 when it leaves out a login because the one here is another person's. */
export const vaultImport = (cli: Cli) =>
  command({
    meta: { name: "import", description: "Import logins from a file that codemie vault export wrote" },
    examples: ["codemie vault import logins.codemie", "codemie vault import logins.codemie --replace"],
    args: {
      file: { type: "positional", required: false, description: "file to read" },
      replace: { type: "boolean", description: "replace a login that is already here, and keep the old one aside" },
      yes: { type: "boolean", alias: "y", description: "with --replace: even if the login here is another person's" },
      ...passphraseArgs,
    },
    async run({ args }) {
      const { runtime, output } = cli;
      if (!args.file) throw commandFailure.importFileMissing();
      const file = resolve(runtime.cwd, args.file);
      const content = await contentOf(cli, file, args);
      const { vault } = await storesToChange(runtime);
      await vault.prepare();
      const done: Imported[] = [];
      for (const one of content.records) {
        done.push(await importOne(cli, vault, one, content.profiles, args));
      }
      const taken = done.filter(({ outcome }) => outcome === "imported" || outcome === "replaced");
      const detail = { records: taken.length };
      await record(cli, vault, { event: "vault-imported", profile: "", host: "", outcome: "ok", detail });
      output.result(
        { file, records: done.map(({ name, outcome, leftOut = [] }) => ({ name, outcome, leftOut })) },
        () =>
          done.length === 0
            ? ["the file holds no login"]
            : done.map(({ name, outcome, login }) => {
                const mark = outcome === "imported" || outcome === "replaced" ? output.paint("good", "✓") : "-";
                const whose = login ? ` (${whoseIs(login)} at ${login.origin})` : "";
                return `${mark} ${printable(name, 80)}${whose}: ${outcomes[outcome]}`;
              }),
      );
      for (const { name, leftOut = [] } of done) {
        if (leftOut.length === 0) continue;
        const profile = profileOfRecord(name);
        output.say.warn(`settings of profile ${profile} that were not imported: ${printable(leftOut.join(", "))}`);
      }
      return done.some(({ outcome }) => outcome === "other-person") ? 4 : 0;
    },
  });

async function contentOf(cli: Cli, file: string, flags: Parameters<typeof passphraseOf>[1]): Promise<Portable> {
  const text = await textOf(file);
  const ask = () => passphraseOf(cli.runtime, flags, "passphrase of the export", false);
  const showAgain = isTyped(flags) && cli.runtime.terminal.interactive ? cli.runtime.terminal.hush() : undefined;
  let opened: Awaited<ReturnType<typeof openExport>>;
  try {
    opened = await openExport(text, ask);
    for (
      let left = mostTries - 1;
      left > 0 && isTyped(flags) && "failed" in opened && opened.failed === "wrong";
      left--
    ) {
      cli.output.say.info("that passphrase does not open it; once more:");
      opened = await openExport(text, ask);
    }
  } finally {
    showAgain?.();
  }
  if ("failed" in opened) {
    if (opened.failed === "wrong") throw commandFailure.exportPassphraseWrong(file);
    throw opened.failed === "newer" ? vaultFailure.newer(file) : commandFailure.notAnExport(file);
  }
  const content = parseJson(new TextDecoder().decode(opened.plain), portable);
  const names = new Set(content?.records.map(({ name }) => name));
  if (!content || names.size !== content.records.length) throw commandFailure.notAnExport(file);
  return content;
}

async function textOf(file: string): Promise<string> {
  try {
    const { content } = await readNamed(file, largestExport);
    return new TextDecoder().decode(content);
  } catch (error) {
    throw commandFailure.exportUnreadable(file, whyUnreadable(error));
  }
}

/** Imports one record. No login that is here gets lost: it stays, or a copy of it is kept aside when it is replaced. */
async function importOne(
  cli: Cli,
  vault: Vault,
  { name, record: content }: Portable["records"][number],
  settings: Portable["profiles"],
  flags: { readonly replace?: boolean | undefined; readonly yes?: boolean | undefined },
): Promise<Imported> {
  const { profiles } = await storesToChange(cli.runtime);
  const profile = profileOfRecord(name);
  const login = asLogin(content);
  if (profile === undefined || !profileName.test(profile) || !login) return { name, outcome: "unknown" };
  const known = (await profiles.read()).profiles;
  const own = Object.hasOwn(known, profile) ? known[profile] : undefined;
  if (own && originOf(own) !== login.origin) return { name, outcome: "other-host", login };
  // Ask before taking the lock: a person may take longer than other processes wait for it.
  const seen = flags.replace && !flags.yes ? await previousLogin(vault, profile) : undefined;
  if (typeof seen === "object" && !(await mayReplace(cli, profile, seen, login))) {
    return { name, outcome: "other-person", login };
  }
  const outcome = await vault.locked(name, async (): Promise<Outcome> => {
    const before = await previousLogin(vault, profile);
    if (before === "damaged") cli.output.say.warn(`a damaged login is kept as ${await vault.setAside(name)}`);
    else if (before) {
      if (Bun.deepEquals(before, login)) return "same";
      const isAsSeen = typeof seen === "object" && !areTwoPeople(seen, before);
      if (!flags.replace || !(flags.yes || isAsSeen)) return "kept";
      await vault.keepCopy(name);
    }
    await vault.write(loginRecord(profile), login);
    return before && before !== "damaged" ? "replaced" : "imported";
  });
  if (own || outcome === "kept") return { name, outcome, login };
  return { name, outcome, login, leftOut: await addProfile(cli, profile, settings[profile], login) };
}

/** Adds the login's profile, without which it cannot be used, unless there is one. @returns the settings left out */
async function addProfile(cli: Cli, name: string, given: unknown, login: StoredLogin): Promise<readonly string[]> {
  const { profile, leftOut } = importedProfile(name, login, given);
  let added = false;
  await (await storesToChange(cli.runtime)).profiles.update((config) => {
    if (Object.hasOwn(config.profiles, name)) return;
    config.profiles[name] = profile;
    config.activeProfile ??= name;
    added = true;
  });
  return added ? leftOut.map((one) => printable(one, 40)) : [];
}

/** Asks before a login replaces another person's. Without a terminal the answer is no. */
async function mayReplace(cli: Cli, profile: string, before: StoredLogin, login: StoredLogin): Promise<boolean> {
  if (before.method === "api-key" || login.method === "api-key" || !areTwoPeople(before, login)) return true;
  if (!cli.runtime.terminal.interactive) return false;
  const question = `profile ${profile} belongs to ${describe(before.identity)}; replace it with ${describe(login.identity)}?`;
  return await untilStopped((stop) => cli.output.confirm(question, stop));
}

const areTwoPeople = (a: StoredLogin, b: StoredLogin) =>
  a.method !== "api-key" && b.method !== "api-key" && !samePerson(a.identity, b.identity);

function whoseIs(login: StoredLogin): string {
  return login.method === "api-key" ? "an API key" : describe(login.identity);
}

function originOf(profile: Profile): string | undefined {
  try {
    return hostOf(profile)?.origin;
  } catch {
    return undefined;
  }
}
