import * as z from "zod/mini";
import { hashOf } from "../core/crypto.ts";
import { mapOf, parseJson } from "../core/json.ts";
import { headerSafe } from "../core/text.ts";
import { type Counts, counts, noCounts } from "./counts.ts";
import { plainWord } from "./spool.ts";

// Claude Code's transcript: a file of JSON lines, among them those of the model (`assistant`) and those of the person and of
// tools (`user`). Names, outcomes and numbers are taken from it, and nothing else.

/** What the lines of a session's transcripts add up to. */
export const transcriptState = z.object({
  /** counted and not yet reported, by git branch; an empty name for none */
  open: mapOf(counts),
  /** files that were counted in `open`, as hashes: each counts once per report */
  files: z.array(z.string()),
  /** tools that were called and have not ended, by the id of the call */
  running: mapOf(z.string()),
  /** the branch of the last line */
  branch: z.optional(z.string()),
  /** the model of the last answer */
  model: z.optional(z.string()),
  /** the agent's version */
  version: z.optional(z.string()),
  requests: z.number(),
  tokens: z.object({ input: z.number(), output: z.number(), cacheRead: z.number(), cacheWritten: z.number() }),
});
export type TranscriptState = z.infer<typeof transcriptState>;

/** Most calls of tools that may be open at a time, and most files that are told apart. */
const mostRunning = 1_000;
const mostFiles = 5_000;

const count = z.catch(z.number().check(z.nonnegative()), 0);
const word = z.catch(z.optional(z.string().check(z.regex(plainWord))), undefined);
const use = z.object({ type: z.literal("tool_use"), id: z.string().check(z.maxLength(200)), name: z.string() });
const result = z.object({ type: z.literal("tool_result"), tool_use_id: z.string(), is_error: z.optional(z.boolean()) });
const usage = z.catch(
  z.optional(
    z.object({
      input_tokens: count,
      output_tokens: count,
      cache_read_input_tokens: count,
      cache_creation_input_tokens: count,
    }),
  ),
  undefined,
);
const change = z.catch(
  z.optional(
    z.object({
      type: z.optional(z.string()),
      filePath: z.string(),
      content: z.optional(z.string()),
      structuredPatch: z.array(z.object({ lines: z.array(z.string()) })),
    }),
  ),
  undefined,
);
const entry = z.object({
  type: z.enum(["assistant", "user"]),
  timestamp: z.string().check(z.maxLength(40)),
  gitBranch: z.catch(z.optional(z.string().check(z.maxLength(250))), undefined),
  version: word,
  message: z.object({ id: word, model: word, usage, content: z.catch(z.array(z.unknown()), []) }),
  toolUseResult: change,
});

/** Only lines with one of these can be of use, and most are not: they hold what was said. */
const isOfUse = (line: string) => line.includes('"assistant"') || line.includes('"tool_result"');

/** One transcript of a session: the main one, or a subagent's. */
export interface Transcript {
  /** the last answer that was counted: each of its parts has a line */
  answer?: string | undefined;
}

/**
 * Counts one line of a transcript.
 *
 * @param state changed in place, as is `transcript`
 * @param after lines of this moment and before are not counted, ms since the epoch
 * @returns the line's moment, ms since the epoch; undefined when it was not counted
 */
export function countLine(
  state: TranscriptState,
  transcript: Transcript,
  line: string,
  after: number,
): number | undefined {
  if (!isOfUse(line)) return undefined;
  const read = parseJson(line, entry);
  const at = Date.parse(read?.timestamp ?? "");
  if (!read || Number.isNaN(at) || at <= after) return undefined;
  const { type, gitBranch, version, message } = read;
  // Outside of a repository, and with a detached head, Claude Code writes `HEAD`.
  state.branch = gitBranch === "HEAD" ? undefined : headerSafe(gitBranch);
  if (version) state.version = version;
  if (type === "assistant") countAnswer(state, transcript, message);
  else countResults(state, message.content, read.toolUseResult);
  return at;
}

type Message = z.infer<typeof entry>["message"];

function countAnswer(state: TranscriptState, transcript: Transcript, { id, model, usage, content }: Message): void {
  if (model) state.model = model;
  if (id && usage && id !== transcript.answer) {
    transcript.answer = id;
    state.requests++;
    state.tokens.input += usage.input_tokens;
    state.tokens.output += usage.output_tokens;
    state.tokens.cacheRead += usage.cache_read_input_tokens;
    state.tokens.cacheWritten += usage.cache_creation_input_tokens;
  }
  for (const part of content) {
    const { success, data } = z.safeParse(use, part);
    if (!success || state.running.size >= mostRunning) continue;
    state.running.set(data.id, plainWord.test(data.name) ? data.name : "other");
  }
}

function countResults(state: TranscriptState, content: readonly unknown[], changed: z.infer<typeof change>): void {
  for (const part of content) {
    const { success, data } = z.safeParse(result, part);
    const id = data?.tool_use_id ?? "";
    const name = state.running.get(id);
    if (!success || name === undefined) continue;
    state.running.delete(id);
    const open = openCounts(state);
    open.calls.push({ name, failed: data.is_error === true });
    if (!data.is_error && changed) countChange(state, open, changed);
  }
}

function countChange(
  state: TranscriptState,
  open: Counts,
  { type, filePath, content, structuredPatch }: NonNullable<z.infer<typeof change>>,
): void {
  const isNew = type === "create";
  const lines = structuredPatch.flatMap((part) => part.lines);
  const starting = (sign: string) => lines.filter((line) => line.startsWith(sign)).length;
  open.linesAdded += isNew && lines.length === 0 ? linesIn(content ?? "") : starting("+");
  open.linesRemoved += starting("-");
  // A hash, since the names of files are nobody's business.
  const mark = hashOf("sha256", `${isNew} ${state.branch} ${filePath}`).toString("hex").slice(0, 12);
  if (state.files.includes(mark) || state.files.length >= mostFiles) return;
  state.files.push(mark);
  if (isNew) open.filesCreated++;
  else open.filesModified++;
}

const linesIn = (text: string) => (text === "" ? 0 : text.replace(/\n$/, "").split("\n").length);

/** @returns the open counts of the branch that is checked out */
export function openCounts(state: TranscriptState): Counts {
  const name = state.branch ?? "";
  const found = state.open.get(name) ?? noCounts();
  state.open.set(name, found);
  return found;
}
