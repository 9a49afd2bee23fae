import { type Cli, command } from "../frame/command.ts";

/** `codemie status-line FILE`: `src/main.ts` runs it before anything else is loaded; this is its help. */
export const statusLine = (_cli: Cli) =>
  command({
    meta: {
      name: "status-line",
      description: "Print the line about a run that Claude Code shows; it calls this itself",
      hidden: true,
    },
    args: { file: { type: "positional", required: true, description: "what the run wrote down for it" } },
    run: () => 0,
  });
