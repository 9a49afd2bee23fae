import { dirname } from "node:path";
import { findProgram } from "../../../platform/processes.ts";
import { nameProgram, stateOfName } from "../../../platform/program-file.ts";
import { updateFailure } from "../../../update/failures.ts";
import { installedProgram } from "../../../update/update.ts";
import { type Cli, command } from "../../frame/command.ts";
import { linkNames } from "../agent/agents.ts";

/** `codemie self link`: puts the other names beside the program. A file of somebody else's stays, and then nothing is changed. */
export const selfLink = ({ runtime, output }: Cli) =>
  command({
    meta: { name: "link", description: "Put this program's other names beside it: codemie-claude and so on" },
    examples: ["codemie self link"],
    args: {},
    async run() {
      const program = await installedProgram("link");
      const folder = dirname(program);
      const names = namesOf(program);
      for (const name of names) {
        if ((await stateOfName(program, name)) === "foreign") throw updateFailure.nameTaken(`${folder}/${name}`);
      }
      await nameProgram(program, names);
      output.result({ folder, names }, () => {
        const lines = [`${output.paint("good", "✓")} in ${folder}: ${names.join(", ")}`];
        const first = findProgram(names[0] ?? "", runtime.env);
        return first === undefined ? [...lines, `  ${folder} is not on PATH: add it there`] : lines;
      });
    },
  });

/** @returns the other names of a program, as files of its folder */
export const namesOf = (program: string): string[] =>
  linkNames.map((name) => (/\.exe$/i.test(program) ? `${name}.exe` : name));
