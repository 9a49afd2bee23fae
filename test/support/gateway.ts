import { expect } from "bun:test";
import { type Finished, Person } from "./codemie.ts";
import { Probe, type Started } from "./probe.ts";
import { adasToken } from "./token.ts";

/** The body of a model call that the sandbox answers. */
export const hello = JSON.stringify({ model: "m", messages: [{ role: "user", content: "hi" }] });

/** A gateway that runs with a {@link Probe} behind it. Goes with `await using`, which ends it with the test. */
export class Gateway implements AsyncDisposable {
  readonly probe: Probe;
  /** where it listens, without a slash at the end */
  readonly url: string;
  /** the same, as a `Host` header says it */
  readonly host: string;
  readonly key: string;
  /** environment and arguments the agent was started with */
  readonly agent: Pick<Started, "env" | "args">;

  constructor(probe: Probe, started: Started) {
    this.probe = probe;
    this.url = started.url;
    this.host = new URL(started.url).host;
    this.key = started.key;
    this.agent = started;
  }

  /** the process that is codemie */
  get pid(): number {
    return this.probe.running.pid;
  }

  /** Sends a request with the key, as an agent does, and follows no redirect. Without a method it is a POST of {@link hello}. */
  ask(path: string, init: RequestInit = {}): Promise<Response> {
    const call = init.method === undefined ? { method: "POST", body: hello } : {};
    const headers = { "x-api-key": this.key, ...init.headers };
    return fetch(this.url + path, { redirect: "manual", ...call, ...init, headers });
  }

  /** A model call. */
  post(init: RequestInit = {}): Promise<Response> {
    return this.ask("/v1/messages", init);
  }

  /** Ends the agent, waits for codemie and removes the person's machine. */
  stop(): Promise<Finished> {
    return this.probe.stop();
  }

  /** Ends it likewise, and checks that codemie printed nothing into the screen, which is the agent's. */
  async stopQuietly(): Promise<void> {
    const { err } = await this.stop();
    expect(err.split("\n").filter((line) => line && !line.startsWith("codemie ·"))).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts `codemie-claude` with a stand-in for the agent, and waits until that runs. */
export async function startGateway(...probe: ConstructorParameters<typeof Probe>): Promise<Gateway> {
  const started = new Probe(...probe);
  return new Gateway(started, await started.started());
}

/** Starts one whose person has no login, but {@link adasToken}, for a host that need not be a sandbox. */
export function gatewayWithToken(
  origin: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Gateway> {
  return startGateway(new Person(), ["--base-url", origin, ...args], { CODEMIE_JWT_TOKEN: adasToken, ...env });
}
