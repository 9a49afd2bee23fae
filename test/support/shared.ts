import { afterAll, afterEach, beforeEach, onTestFinished } from "bun:test";
import type { Browser } from "playwright-core";
import { type Ci, startCi } from "./ci.ts";
import { Person } from "./codemie.ts";
import { type Gateway, gatewayWithToken, startGateway } from "./gateway.ts";
import { logIn } from "./login.ts";
import { type ModelProvider, startModelProvider } from "./model-provider.ts";
import { type RawHost, startRawHost } from "./raw-host.ts";
import type { ProviderClient } from "./sandbox/identity.ts";
import { type Sandbox, type SandboxSettings, startSandbox } from "./sandbox/sandbox.ts";

/**
 * Set-up that all tests of a file share (`shared…`, called at the top of the file), or that one test has for itself (`own…`,
 * called in it). It ends after the last test, or after the one, in the order of the calls.
 */

/**
 * A stand-in host. Before each test its settings are those given here, and its record is empty.
 *
 * @param changes its settings, where they are not the usual ones
 * @param moreClients clients of its provider besides the usual ones
 */
export async function sharedSandbox(
  changes: Partial<SandboxSettings> = {},
  moreClients: readonly ProviderClient[] = [],
): Promise<Sandbox> {
  const sandbox = await startSandbox(changes, moreClients);
  beforeEach(() => sandbox.reset());
  afterAll(() => sandbox.close());
  return sandbox;
}

/**
 * A person who is logged in, for {@link Person.copy}: tests that are not about logging in need no login of their own.
 *
 * @param env variables that hold for the login as for all the person runs later
 */
export async function sharedLogin(sandbox: Sandbox, env: Record<string, string> = {}): Promise<Person> {
  const person = new Person();
  Object.assign(person.env, env);
  afterAll(() => person.remove());
  const { code, out, err } = await logIn(person, sandbox);
  if (code !== 0) throw new Error(`the login failed (${code}): ${out}${err}`);
  return person;
}

/** A CI system that the host trusts for its own address. Before each test it is as at first. */
export async function sharedCi(sandbox: Sandbox): Promise<Ci> {
  const ci = await startCi();
  sandbox.front.trust(ci.issuer, sandbox.origin, ci.publicKey);
  beforeEach(() => ci.reset());
  afterAll(() => ci.close());
  return ci;
}

/** A real Chromium. Its driver takes half a second of the processor to load, so only here. */
export async function sharedBrowser(): Promise<Browser> {
  const { startBrowser } = await import("./browser.ts");
  const browser = await startBrowser();
  afterAll(() => browser.close());
  return browser;
}

/**
 * A gateway of a logged-in person, and the host behind it.
 *
 * @param prepare done after the login, before the gateway starts
 */
export async function sharedGateway(
  prepare: (person: Person) => void = () => undefined,
): Promise<{ sandbox: Sandbox; gateway: Gateway }> {
  const sandbox = await startSandbox();
  const person = new Person();
  await logIn(person, sandbox);
  prepare(person);
  const gateway = await startGateway(person);
  beforeEach(() => sandbox.reset());
  afterAll(async () => {
    await gateway.stopQuietly();
    await sandbox.close();
  });
  return { sandbox, gateway };
}

/**
 * A host that answers with bytes, and a gateway before it. After each test its connections are gone, before each its
 * count is 0.
 *
 * @param env of the gateway
 */
export async function sharedRawHost(env: Record<string, string> = {}): Promise<{ host: RawHost; gateway: Gateway }> {
  const host = await startRawHost();
  const gateway = await gatewayWithToken(host.origin, [], env);
  beforeEach(() => {
    host.requests = 0;
  });
  afterEach(() => host.dropAll());
  afterAll(async () => {
    await gateway.stopQuietly();
    host.close();
  });
  return { host, gateway };
}

/** A model provider for one test, with which it ends. */
export async function ownProvider(...form: Parameters<typeof startModelProvider>): Promise<ModelProvider> {
  const provider = await startModelProvider(...form);
  onTestFinished(() => provider.close());
  return provider;
}
