import { expect, test } from "bun:test";
import { Person } from "../support/codemie.ts";
import { startGateway } from "../support/gateway.ts";
import { logIn } from "../support/login.ts";
import { Probe } from "../support/probe.ts";
import { sharedSandbox } from "../support/shared.ts";

/** A port belongs to one gateway: shared, half of the requests would go to the other's, with a key that is not its own. */

const sandbox = await sharedSandbox();

test("two gateways of ours cannot have the same port", async () => {
  const person = new Person();
  await logIn(person, sandbox, "ada", ["--profile", "one"]);
  await logIn(person, sandbox, "ada", ["--profile", "two"]);
  await using first = await startGateway(person, ["--profile", "one"]);
  const { port } = new URL(first.url);
  for (const run of [
    person.run(["proxy", "start", "--profile", "two", "--port", port]),
    person.run(["proxy", "start", "--profile", "two", "--port", port, "--detach"]),
    new Probe(person, ["--profile", "two"], { CODEMIE_PROXY_PORT: port }).running.finished(),
  ]) {
    const { code, err } = await run;
    expect({ code, taken: err.includes(`port ${port} is taken`) }).toEqual({ code: 1, taken: true });
  }
});
