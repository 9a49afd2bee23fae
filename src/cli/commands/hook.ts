import { type Cli, command } from "../frame/command.ts";

/** `codemie hook`: `src/main.ts` runs it before anything else is loaded; this is its help. */
export const hook = (_cli: Cli) =>
  command({
    meta: { name: "hook", description: "Note an event of an agent; its plugin calls this, not people", hidden: true },
    args: {
      home: { type: "positional", required: false, description: "base folder of all our files" },
      event: { type: "positional", required: false, description: "the event; default: standard input" },
    },
    run: () => 0,
  });
