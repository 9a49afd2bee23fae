import { expect, test } from "bun:test";
import { guardScript } from "../../src/platform/child-guard.ts";

/** Threat: a program's name, which it chooses, has the guard end processes that have nothing to do with the agent. */

const isolated = ["unshare", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
const canIsolate = Bun.spawnSync([...isolated, "true"]).exitCode === 0;
if (!canIsolate) console.log("skipped: this machine lets nobody have process numbers of their own (unshare)");

/** Takes a name that holds the numbers of two processes (prctl(2), PR_SET_NAME), says so, and waits. */
const namer = `
  import { dlopen, ptr } from "bun:ffi";
  const [name, agent, other] = process.argv.slice(-3);
  const prctl = { args: ["int", "ptr", "u64", "u64", "u64"], returns: "int" };
  const bytes = Buffer.from(name.replace("AGENT", agent).replace("OTHER", other) + "\\0");
  dlopen("libc.so.6", { prctl }).symbols.prctl(15, ptr(bytes), 0n, 0n, 0n);
  console.log("named");
  setInterval(() => {}, 60_000);`;

const scene = `
  sleep 600 & agent=$!
  sleep 600 & other=$!
  folder=$(mktemp -d)
  mkfifo "$folder/said"
  "$1" -e "$2" "$4" $agent $other > "$folder/said" & namer=$!
  read -r _ < "$folder/said"
  rm -r "$folder"
  printf '\\n%d\\n' $agent | sh -c "$3" codemie stopped 'goes on' 2>&1
  for one in agent other namer; do
    eval "kill -0 \\$$one" 2>/dev/null && echo "$one lives"
  done
  kill -9 $other $namer`;

for (const name of ["\\nOTHER\\tAGENT\n", ") S AGENT\n", "\n) S AGENT\n", "x) S AGENT", "/* * ) *", "\\", "\n\n\n"]) {
  test.skipIf(!canIsolate)(
    `a program called ${JSON.stringify(name)}: the guard ends the agent and nothing else`,
    () => {
      // Numbers of processes are short here, as they have to be in a name of 15 bytes.
      const { stdout, stderr } = Bun.spawnSync(
        [...isolated, "sh", "-c", scene, "scene", process.execPath, namer, guardScript, name],
        { cwd: "/", env: { PATH: "/usr/bin:/bin" } },
      );
      expect([stdout.toString(), stderr.toString()]).toEqual(["stopped\nother lives\nnamer lives\n", ""]);
    },
  );
}
