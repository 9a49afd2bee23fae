import { expect, test } from "bun:test";
import { win32 } from "node:path";
import { leadsToMachine } from "../../src/agents/repository.ts";

/** Threat: a repository that was unpacked, not cloned, names git files on another machine, which Windows logs in at to open them. */

for (const [top, named, isElsewhere] of [
  ["C:\\work\\it", "\\\\attacker\\share\\git", true],
  ["C:\\work\\it", "//attacker/share/git", true],
  ["C:\\work\\it", "/\\attacker\\share\\git", true],
  ["C:\\work\\it", "\\\\?\\UNC\\attacker\\share\\git", true],
  ["C:\\work\\it", "\\\\.\\pipe\\git", true],
  ["\\\\files\\people\\it", "\\\\attacker\\share\\git", true],
  ["\\\\files\\people\\it", "\\\\FILES\\People\\main\\.git", false],
  ["C:\\work\\it", "..\\main\\.git\\worktrees\\it", false],
  ["C:\\work\\it", "D:/main/.git/worktrees/it", false],
] as const) {
  test(`in ${top}, gitdir: ${named} ${isElsewhere ? "is not opened" : "is"}`, () => {
    for (const path of [named, win32.resolve(top, named)])
      expect(leadsToMachine(path, top, win32.parse)).toBe(isElsewhere);
  });
}
