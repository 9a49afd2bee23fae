import { expect, test } from "bun:test";
import { isMisread, shimIn } from "../../src/platform/batch-file.ts";
import { npmShim } from "../support/wine/wine.ts";

/** What the batch files of package managers run. The runs themselves are in test/windows. */

const script = String.raw`node_modules\@google\gemini-cli\bundle\gemini.js`;
const program = String.raw`node_modules\@anthropic-ai\claude-code\bin\claude.exe`;

/** As pnpm 10 and Yarn 1 write them (@zkochan/cmd-shim). */
const pnpmShim = (line: string) =>
  [
    "@SETLOCAL",
    "@IF NOT DEFINED NODE_PATH (",
    String.raw`  @SET "NODE_PATH=C:\Users\ada\AppData\Local\pnpm\global\5\node_modules"`,
    ") ELSE (",
    String.raw`  @SET "NODE_PATH=C:\Users\ada\AppData\Local\pnpm\global\5\node_modules;%NODE_PATH%"`,
    ")",
    String.raw`@IF EXIST "%~dp0\node.exe" (`,
    String.raw`  "%~dp0\node.exe" ${line} %*`,
    ") ELSE (",
    "  @SET PATHEXT=%PATHEXT:;.JS;=;%",
    `  node ${line} %*`,
    ")",
  ].join("\r\n");

const head = [
  "@ECHO off",
  "GOTO start",
  ":find_dp0",
  "SET dp0=%~dp0",
  "EXIT /b",
  ":start",
  "SETLOCAL",
  "CALL :find_dp0",
];
const direct = (line: string) => [...head, line, ""].join("\r\n");

test("npm's, pnpm's and Yarn's batch files for a script, and for a program, say what they run", () => {
  expect(shimIn(npmShim(script))).toEqual({ target: script, nodeFlags: [] });
  const flagged = npmShim(script).replace('"%_prog%"  ', '"%_prog%" --no-warnings=DEP0040 --max-old-space-size=4096 ');
  expect(shimIn(flagged)?.nodeFlags).toEqual(["--no-warnings=DEP0040", "--max-old-space-size=4096"]);
  expect(shimIn(npmShim(script).replaceAll("\r\n", "\n"))).toEqual({ target: script, nodeFlags: [] });
  expect(shimIn(direct(`"%dp0%\\${program}"   %*`))).toEqual({ target: program, nodeFlags: undefined });
  const above = String.raw`..\global\5\node_modules\opencode-ai\bin\opencode`;
  expect(shimIn(pnpmShim(` "%~dp0\\${above}"`))).toEqual({ target: above, nodeFlags: [] });
  const otherDrive = String.raw`D:\store\codex.js`;
  expect(shimIn(pnpmShim(` "${otherDrive}"`))).toEqual({ target: otherDrive, nodeFlags: [] });
  expect(shimIn(`@"%~dp0\\..\\${program}"   %*\r\n`)).toEqual({ target: `..\\${program}`, nodeFlags: undefined });
});

test("a batch file that does anything else is none of them", () => {
  const others = {
    "it sets a variable": npmShim(script).replace("SETLOCAL", "SETLOCAL\r\n@SET NODE_ENV=production"),
    "another interpreter": npmShim(script).replace('SET "_prog=node"', 'SET "_prog=bash"'),
    "another one in its folder": npmShim(script).replace("=%dp0%\\node.exe", "=%dp0%\\bash.exe"),
    "its own arguments": npmShim(script).replace("%*", "--yolo %*"),
    "arguments before the file that are no flags": npmShim(script).replace('"%_prog%"', '"%_prog%" other.js'),
    "a path with a variable in it": npmShim(String.raw`%APPDATA%\x.js`),
    "a path from the current folder": direct(String.raw`".\claude.exe" %*`),
    "another batch file": direct(String.raw`"%dp0%\other.cmd" %*`),
    "a command before it": direct(String.raw`start "%dp0%\claude.exe" %*`),
    "two different files": pnpmShim(' "%~dp0\\a.js"').replace("a.js", "b.js"),
    "no arguments go on": direct(String.raw`"%dp0%\claude.exe"`),
    nothing: "",
  };
  for (const [what, text] of Object.entries(others))
    expect({ what, found: shimIn(text) }).toEqual({ what, found: undefined });
});

test("what the interpreter of batch files takes for its own is misread, in quotes or not", () => {
  for (const one of ['"', "%", "!", "^", "&", "|", "<", ">", "(", ")", "\r", "\n"])
    expect([one, isMisread(`a${one}b`), isMisread(`a ${one} b`)]).toEqual([one, true, true]);
  for (const one of ["", "say hello", "--flag=a,b;c", "it's", "C:\\a b\\c", "ü 中"]) expect(isMisread(one)).toBe(false);
});
