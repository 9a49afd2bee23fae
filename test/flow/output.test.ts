import { expect, test } from "bun:test";
import { codemie, codemieClaude, codemieMcpProxy, Person } from "../support/codemie.ts";

/** Standard output and error that cannot be written, or that nobody reads any more. */

/** Skipped elsewhere, since only Linux has /dev/full; CI runs on Linux. */
const testOnLinux = process.platform === "linux" ? test : test.skip;

/** Runs a line of bash in which `$1` and so on are the given words. */
async function bash(line: string, ...words: string[]) {
  const person = new Person();
  const child = Bun.spawn(["bash", "-c", line, "bash", ...words], {
    cwd: person.cwd,
    env: person.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  person.remove();
  return { code, out, err };
}

const calls: [string, ...string[]][] = [
  [codemie, "--version"],
  [codemie, "--help"],
  [codemie],
  [codemie, "completion", "bash"],
  [codemie, "config", "list"],
  [codemie, "config", "list", "--json"],
  [codemie, "nonsense", "--json"],
  [codemieClaude, "--help"],
  [codemieMcpProxy, "--help"],
  [codemieMcpProxy, "--version"],
];
for (const [program, ...args] of calls) {
  const name = `${program.split("/").at(-1)} ${args.join(" ")}`.trim();
  testOnLinux(`${name} on a full disk: exit 1 and one line`, async () => {
    const { code, err } = await bash('"$@" > /dev/full', program, ...args);
    expect({ code, err }).toEqual({ code: 1, err: "error: cannot write the output: the disk is full\n" });
  });

  test(`${name} into a pipe that nobody reads: no word about it`, async () => {
    // The program starts when the reader has ended.
    const { code, err } = await bash('exec 3> >(:); wait $!; "$@" >&3 3>&-', program, ...args);
    expect({ code, err }).toEqual({ code: args.includes("nonsense") ? 2 : 0, err: "" });
  });
}

testOnLinux("standard error on a full disk changes nothing", async () => {
  expect((await bash('"$@" 2> /dev/full', codemie, "nonsense")).code).toBe(2);
  const { code, out } = await bash('"$@" 2> /dev/full', codemie, "config", "list", "--json");
  expect([code, out.startsWith("{") || out.startsWith("[")]).toEqual([0, true]);
});

test("a slow reader gets everything", async () => {
  const whole = await bash('"$@"', codemie, "completion", "bash");
  const slow = await bash('"$@" | { sleep 0.3; cat; }', codemie, "completion", "bash");
  expect(slow.out).toBe(whole.out);
});
