import { CodemieError, systemCode } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import { wrap } from "../core/text.ts";
import { readNamed, whyUnreadable } from "../platform/foreign-files.ts";
import { requireAbsolute } from "../platform/places.ts";
import { silently } from "../platform/private.ts";
import { ask, findProgram } from "../platform/processes.ts";
import type { Runtime } from "../platform/runtime.ts";
import { untilStopped } from "../platform/signals.ts";
import { printNote } from "../platform/terminal.ts";
import { environmentForOthers } from "../profiles/environment.ts";
import { ProfileStore } from "../profiles/store.ts";
import { vaultFailure } from "../vault/failures.ts";
import { requireLength, shortestNew } from "../vault/kdf.ts";
import { mostTries } from "./context.ts";
import { accessFailure } from "./failures.ts";

/** Time limit of a command that prints a passphrase, ms: a person may have to unlock a password manager first. */
const commandPatienceMs = 60_000;
/** Longest output of such a command and longest passphrase file, bytes. */
const longest = 64 * 1024;

/** Flags that tell where to get a passphrase. */
export interface PassphraseFlags {
  readonly "passphrase-stdin"?: boolean | undefined;
  readonly "passphrase-command"?: string | undefined;
}

/**
 * Gets the passphrase of the vault from the place that the environment names, else asks the person.
 *
 * @param variable the environment variable that holds or locates the passphrase, if one is set
 * @throws `vault_passphrase` when there is none; usage error for a relative path; `interrupted`, `terminated`
 */
export async function vaultPassphrase(runtime: Runtime, variable: string | undefined): Promise<Secret> {
  const value = (variable && runtime.env[variable]) || "";
  if (variable === "CODEMIE_VAULT_PASSPHRASE") return new Secret(value);
  if (variable === "CODEMIE_VAULT_PASSPHRASE_FILE")
    return await fromFile(runtime, requireAbsolute(variable, value), variable);
  if (variable === "CODEMIE_VAULT_PASSPHRASE_COMMAND") return await fromCommand(runtime, value, variable);
  if (!runtime.terminal.interactive) throw vaultFailure.passphraseMissing();
  return await typed(runtime, "passphrase of the vault");
}

/**
 * Gets a passphrase from the place that a flag names, else asks the person.
 *
 * @param what what the passphrase opens, for the prompt
 * @param isNew true: the passphrase will seal something, so the person types it twice, and has {@link mostTries} tries
 * @throws usage error for both flags, when nobody can type it, or when the two typed ones differ; as
 *   {@link vaultPassphrase}
 */
export async function passphraseOf(
  runtime: Runtime,
  flags: PassphraseFlags,
  what: string,
  isNew: boolean,
): Promise<Secret> {
  const command = flags["passphrase-command"];
  if (flags["passphrase-stdin"] && command !== undefined) {
    throw accessFailure.passphraseGivenTwice();
  }
  if (command !== undefined) return await fromCommand(runtime, command, "--passphrase-command");
  if (flags["passphrase-stdin"]) return firstLine(await runtime.terminal.readAll(), "standard input");
  if (!runtime.terminal.interactive) throw accessFailure.passphraseNotGiven();
  return isNew ? await typedTwice(runtime, what) : await typed(runtime, what);
}

/** True where {@link passphraseOf} asks a person, who may try again. */
export const isTyped = (flags: PassphraseFlags) =>
  !flags["passphrase-stdin"] && flags["passphrase-command"] === undefined;

async function typedTwice(runtime: Runtime, what: string): Promise<Secret> {
  const showAgain = runtime.terminal.hush();
  try {
    return await sameTwice(runtime, what);
  } finally {
    showAgain();
  }
}

async function sameTwice(runtime: Runtime, what: string): Promise<Secret> {
  for (let left = mostTries - 1; ; left--) {
    try {
      const passphrase = await typed(runtime, what, `at least ${shortestNew} characters, nothing will be shown`);
      requireLength(passphrase);
      if (passphrase.reveal() === (await typed(runtime, "the same again")).reveal()) return passphrase;
      throw accessFailure.passphrasesDiffer();
    } catch (error) {
      if (!(error instanceof CodemieError) || error.exitCode >= 130 || left === 0) throw error;
      runtime.terminal.err(`${error.message.replace("; nothing was changed", "")}; once more:\n`);
    }
  }
}

/**
 * Splits a command at white space; single and double quotes keep a part together. Nothing else is special: no shell, no
 * variables, no escapes.
 *
 * @returns the words, or undefined when a quote is not closed
 */
export function commandWords(text: string): string[] | undefined {
  const word = /(?:[^\s'"]|'[^']*'|"[^"]*")+/y;
  const words: string[] = [];
  for (let at = 0; at < text.length; ) {
    if (/\s/.test(text[at] ?? "")) at++;
    else {
      word.lastIndex = at;
      const [found] = word.exec(text) ?? [];
      if (found === undefined) return undefined;
      words.push(found.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
      at += found.length;
    }
  }
  return words;
}

async function fromFile({ terminal }: Runtime, file: string, variable: string): Promise<Secret> {
  const from = `${file} (${variable})`;
  try {
    const { content, isOpen } = await readNamed(file, longest);
    if (!content) throw accessFailure.passphraseUnusable(from, `it is longer than ${longest / 1024} KiB`);
    if (isOpen) printNote(terminal, `other users of this machine may read ${from}`);
    return firstLine(content, from);
  } catch (error) {
    if (!systemCode(error)) throw error;
    throw accessFailure.passphraseUnusable(from, whyUnreadable(error));
  }
}

async function fromCommand(runtime: Runtime, command: string, from: string): Promise<Secret> {
  const [name, ...args] = commandWords(command) ?? [];
  if (name === undefined) {
    throw accessFailure.passphraseUnusable(from, command.trim() ? "a quote in it is not closed" : "it is empty");
  }
  const program = findProgram(name, runtime.env);
  if (!program) {
    throw accessFailure.passphraseUnusable(
      from,
      `${name} is not on PATH`,
      "give the program's name or its absolute path",
    );
  }
  const bounds = { patienceMs: commandPatienceMs, limit: longest };
  const profiles = new ProfileStore(runtime.home, silently);
  const answer = await ask([program, ...args], environmentForOthers(runtime, profiles), bounds);
  const hint = "run the command by itself to see what it does; codemie runs it without a shell, in the root folder";
  switch (answer.ended) {
    case "not-started":
      throw accessFailure.passphraseUnusable(from, `${name} could not be started`, hint);
    case "timeout":
      throw accessFailure.passphraseUnusable(
        from,
        `${name} did not end within ${commandPatienceMs / 1000} s and was killed`,
        hint,
      );
    case "too-long":
      throw accessFailure.passphraseUnusable(
        from,
        `${name} printed more than ${longest / 1024} KiB and was killed`,
        hint,
      );
    case "normally":
      if (answer.code !== 0)
        throw accessFailure.passphraseUnusable(from, `${name} ended with exit code ${answer.code}`, hint);
      return firstLine(answer.output, from);
  }
}

/** Returns the first line without its end. Refuses bytes that are not UTF-8: two different keys could decode alike. */
function firstLine(content: string | Uint8Array, from: string): Secret {
  const text = typeof content === "string" ? content : new TextDecoder().decode(content);
  if (text.includes("\ufffd")) {
    throw accessFailure.passphraseUnusable(
      from,
      "it is not text (UTF-8)",
      "encode a binary key, for example with base64",
    );
  }
  const line = text.split(/\r?\n/, 1)[0] ?? "";
  if (line === "") throw accessFailure.passphraseUnusable(from, "its first line is empty");
  return new Secret(line);
}

async function typed(runtime: Runtime, what: string, rule = "nothing will be shown"): Promise<Secret> {
  const prompt = wrap(`${what} (${rule}): `, runtime.terminal.columns("err"), "  ");
  const line = await untilStopped((signal) => runtime.terminal.readLine({ prompt, echo: false, signal }));
  if (line === "") throw accessFailure.passphraseUnusable("the terminal", "nothing was typed");
  return new Secret(line);
}
