import type { Runtime } from "../platform/runtime.ts";

/** What this room needs from a command: the machine, and a way to tell the person something. */
export interface Context {
  readonly runtime: Runtime;
  readonly output: { readonly say: { info(text: string): void; warn(text: string): void } };
}
