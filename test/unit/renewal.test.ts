import { expect, test } from "bun:test";
import { type Renewable, type Renewal, renewUnderLock } from "../../src/auth/renewal.ts";
import { CodemieError } from "../../src/core/errors.ts";

/** Something renewable that writes down what is done to it. */
function fake(current: string | undefined, outcome: Renewal<string>, twist: Partial<Renewable<string>> = {}) {
  const done: string[] = [];
  const it: Renewable<string> = {
    async locked(work) {
      done.push("lock");
      try {
        return await work();
      } finally {
        done.push("unlock");
      }
    },
    async read() {
      done.push("read");
      return current;
    },
    isSettled: () => false,
    async renew(login) {
      done.push(`renew ${login}`);
      return outcome;
    },
    store: async (login) => void done.push(`store ${login}`),
    unstored(error) {
      throw error;
    },
    take: (login, kind) => void done.push(`take ${login}: ${kind}`),
    audit: async () => void done.push("audit"),
    ...twist,
  };
  return { it, done };
}

test("it is read again under the lock, renewed, stored, taken, written into the trail", async () => {
  const { it, done } = fake("old", { kind: "renewed", login: "new" });
  expect(await renewUnderLock(it)).toEqual({ kind: "renewed", login: "new" });
  expect(done).toEqual(["lock", "read", "renew old", "store new", "take new: renewed", "audit", "unlock"]);
});

test("what another process renewed meanwhile is adopted, and nobody is asked", async () => {
  const { it, done } = fake("newer", { kind: "renewed", login: "never" }, { isSettled: (login) => login === "newer" });
  expect(await renewUnderLock(it)).toEqual({ kind: "adopted", login: "newer" });
  expect(done).toEqual(["lock", "read", "take newer: adopted", "unlock"]);
});

test("where there is nothing, nothing is renewed", async () => {
  const { it, done } = fake(undefined, { kind: "renewed", login: "never" });
  expect(await renewUnderLock(it)).toEqual({ kind: "ended" });
  expect(done).toEqual(["lock", "read", "unlock"]);
});

for (const kind of ["valid", "ended", "unknown"] as const) {
  test(`${kind}: the old one goes on, nothing is stored and the trail says nothing`, async () => {
    const { it, done } = fake("old", { kind });
    expect(await renewUnderLock(it)).toEqual({ kind });
    expect(done).toEqual(["lock", "read", "renew old", `take old: ${kind}`, "unlock"]);
  });
}

test("a renewed one that cannot be written down is used all the same, and the trail has it", async () => {
  const full = new CodemieError("disk", "the disk is full");
  const failed: unknown[] = [];
  const store = () => Promise.reject(full);
  const { it, done } = fake(
    "old",
    { kind: "renewed", login: "new" },
    { store, unstored: (error) => void failed.push(error) },
  );
  expect(await renewUnderLock(it)).toEqual({ kind: "renewed", login: "new" });
  expect(failed).toEqual([full]);
  expect(done).toEqual(["lock", "read", "renew old", "take new: renewed", "audit", "unlock"]);
});

test("a failure to store that must end the renewal does, and the lock is given back", async () => {
  const { it, done } = fake(
    "old",
    { kind: "renewed", login: "new" },
    { store: () => Promise.reject(new Error("key")) },
  );
  await expect(renewUnderLock(it)).rejects.toThrow("key");
  expect(done).toEqual(["lock", "read", "renew old", "unlock"]);
});

for (const step of ["read", "renew"] as const) {
  test(`a failure to ${step} is thrown, and the lock is given back`, async () => {
    const { it, done } = fake("old", { kind: "valid" }, { [step]: () => Promise.reject(new Error(step)) });
    await expect(renewUnderLock(it)).rejects.toThrow(step);
    expect(done.at(-1)).toBe("unlock");
  });
}

test("without the lock nothing is read and nobody is asked", async () => {
  const { it, done } = fake("old", { kind: "valid" }, { locked: () => Promise.reject(new Error("locked")) });
  await expect(renewUnderLock(it)).rejects.toThrow("locked");
  expect(done).toEqual([]);
});
