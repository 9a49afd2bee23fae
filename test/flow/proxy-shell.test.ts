import { afterEach, beforeEach, expect, test } from "bun:test";
import { codemie, Person } from "../support/codemie.ts";
import { endProxies } from "../support/proxy.ts";
import { sharedSandbox } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/** `codemie proxy start` as shells start it: stopped half-way, with a token that is no file on a disk, with nohup. */

const sandbox = await sharedSandbox();
let person: Person;
let token = "";
beforeEach(async () => {
  person = new Person();
  token = await sandbox.front.mintToken("ci");
});
afterEach(() => endProxies(person));

for (const [signal, code] of cases([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)) {
  test(`${signal} while a detached one starts leaves nothing running`, async () => {
    const [asked, left] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const host = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      idleTimeout: 0,
      fetch(request) {
        request.signal.addEventListener("abort", () => left.resolve());
        asked.resolve();
        return new Promise<Response>(() => undefined);
      },
    });
    const url = `http://127.0.0.1:${host.port}`;
    const start = person.start(["proxy", "start", "--detach", "--url", url], { env: { CODEMIE_JWT_TOKEN: token } });
    await asked.promise;
    start.kill(signal);
    expect((await start.finished()).code).toBe(code);
    await left.promise;
    expect((await person.run(["proxy", "status"])).code).toBe(1);
    await host.stop(true);
  });
}

for (const detach of cases(["", "--detach"])) {
  for (const [how, command] of [
    ["by flag", '"$1" proxy start --json --url "$2" $3 --jwt-token-file <(printf %s "$4")'],
    ["by variable", 'CODEMIE_JWT_TOKEN_FILE=<(printf %s "$4") "$1" proxy start --json --url "$2" $3'],
  ] as const) {
    test(`a token out of a process substitution, ${how} ${detach}`, async () => {
      const shell = ["bash", "-c", `exec ${command}`.replace("exec CODEMIE", "CODEMIE"), "bash"];
      const running = Bun.spawn([...shell, codemie, sandbox.origin, detach, token], {
        env: person.env,
        stdout: "pipe",
        stderr: "pipe",
      });
      const reader = running.stdout.getReader();
      const first = new TextDecoder().decode((await reader.read()).value);
      const { url, key, pid } = JSON.parse(first);
      for (let n = 0; n < 2; n++) {
        const ask = { method: "POST", body: '{"model":"m","messages":[]}', headers: { "x-api-key": key } };
        expect((await fetch(`${url}/v1/messages`, ask)).status).toBe(200);
      }
      expect(sandbox.calls("/v1/messages").at(-1)?.headers.authorization).toBe(`Bearer ${token}`);
      process.kill(pid, "SIGTERM");
      await running.exited;
    });
  }
}

test("with nohup a hang-up does not end it; without, it does", async () => {
  for (const [before, code] of [
    [["nohup"], 0],
    [[], 129],
  ] as const) {
    const running = Bun.spawn([...before, codemie, "proxy", "start", "--json", "--url", sandbox.origin], {
      env: { ...person.env, CODEMIE_JWT_TOKEN: token },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const line = new TextDecoder().decode((await running.stdout.getReader().read()).value);
    running.kill("SIGHUP");
    if (code === 0) {
      // each answer is a turn of its loop, in which a signal would have been seen
      for (let n = 0; n < 20; n++) expect((await fetch(`${JSON.parse(line).url}/health`)).status).toBe(200);
      running.kill("SIGTERM");
    }
    expect(await running.exited).toBe(code);
  }
});
