import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Person } from "./codemie.ts";
import { remembering } from "./remembering.ts";

const fileOf = (person: Person) => join(person.codemieHome, "audit/forwarded.json");

/** How far the receiver of a person's audit trail is, as the program keeps it. */
export const progressOf = (person: Person) =>
  existsSync(fileOf(person)) ? JSON.parse(readFileSync(fileOf(person), "utf8")) : undefined;

/** Lets the pause pass in which a receiver in trouble is left alone. */
export function letRest(person: Person): void {
  const progress = progressOf(person);
  if (progress?.trouble) progress.trouble.until = 0;
  writeFileSync(fileOf(person), JSON.stringify(progress));
}

/** Writes lines into a person's audit trail, as the program does; nobody sends them on. */
export async function appendLines(person: Person, count: number): Promise<void> {
  const { trail } = remembering(person.codemieHome);
  for (let i = 0; i < count; i++) {
    await trail.append({ event: "refresh", profile: "Zoë", host: "https://h", outcome: "ok", detail: { i } });
  }
}

/** The number of the last line in a person's audit trail. */
export async function lastLine(person: Person): Promise<number> {
  return (await remembering(person.codemieHome).trail.entries()).at(-1)?.seq ?? 0;
}

/** Numbers of lines of the trail, in the order of the texts. */
export const numbersIn = (lines: readonly string[]): number[] => lines.map((line) => JSON.parse(line).seq);

/** @returns the numbers from the first to the last */
export const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
