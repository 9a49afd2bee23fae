import type { OAuthClientProvider } from "@modelcontextprotocol/sdk/client/auth.js";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type {
  OAuthClientInformationFull,
  OAuthClientInformationMixed,
  OAuthTokens,
} from "@modelcontextprotocol/sdk/shared/auth.js";
import type { Person } from "./codemie.ts";
import { Person as NewPerson } from "./codemie.ts";
import { logIn } from "./login.ts";
import { endProxies, type StartedProxy, startDetached } from "./proxy.ts";
import { type Sandbox, startSandbox } from "./sandbox/sandbox.ts";

/** A gateway with a relay, as `codemie proxy start --json` tells of it. */
export interface StartedRelay extends StartedProxy {
  readonly relay: string;
}

interface AuditLine {
  readonly event: string;
  readonly host: string;
  readonly outcome: string;
  readonly detail: Record<string, unknown>;
}

/** A gateway on its own, of a person whose profile names hosts that the relay may reach. */
export class RelayHost implements AsyncDisposable {
  readonly sandbox: Sandbox;
  readonly person: Person;
  readonly started: StartedRelay;

  constructor(sandbox: Sandbox, person: Person, started: StartedRelay) {
    this.sandbox = sandbox;
    this.person = person;
    this.started = started;
  }

  /** @returns the address by which a client reaches an MCP server */
  entry(url: string): string {
    return this.started.relay + encodeURIComponent(url);
  }

  /** the key that opens the relay */
  get key(): string {
    return /~([^/]+)/.exec(this.started.relay)?.[1] ?? "";
  }

  /**
   * @param least waits until there are as many: the gateway answers before it writes
   * @returns the audit trail's lines of an event
   */
  async audited(event: string, least = 1): Promise<AuditLine[]> {
    for (;;) {
      const { out } = await this.person.run(["audit", "export"]);
      const lines: AuditLine[] = out
        .trim()
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      const found = lines.filter((one) => one.event === event);
      if (found.length >= least) return found;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await endProxies(this.person);
    await this.sandbox.close();
  }
}

/** Starts one. */
export async function startRelay(
  privateHosts: readonly string[] = ["127.0.0.1"],
  { args = [], env = {} }: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<RelayHost> {
  const [sandbox, person] = [await startSandbox(), new NewPerson()];
  await logIn(person, sandbox);
  person.editConfig(({ profiles }) => {
    profiles.default.relayPrivateHosts = privateHosts;
  });
  return new RelayHost(sandbox, person, (await startDetached(person, args, env)) as StartedRelay);
}

/** What an authorization brought back to the client. */
export interface CameBack {
  readonly code: string;
  readonly iss: string | null;
  readonly state: string | null;
  /** every address that the browser was led to */
  readonly led: readonly string[];
}

const callback = "http://localhost:9/callback";

/** Opens an authorization address and follows it to the client's callback, as a browser of somebody who agrees would. */
export async function authorizeInBrowser(address: string): Promise<CameBack> {
  const led = [address];
  for (let at = address; ; ) {
    const answer = await fetch(at, { redirect: "manual", headers: { "sec-fetch-site": "none" } });
    await answer.body?.cancel();
    const next = answer.headers.get("location");
    if (!next) throw new Error(`no redirect from ${at}: ${answer.status}`);
    at = new URL(next, at).href;
    led.push(at);
    if (at.startsWith(callback)) {
      const { searchParams: back } = new URL(at);
      return { code: back.get("code") ?? "", iss: back.get("iss"), state: back.get("state"), led };
    }
  }
}

/** A client's memory: what the SDK's client keeps of an authorization. */
export class Memory implements OAuthClientProvider {
  information: OAuthClientInformationFull | undefined;
  given: OAuthTokens | undefined;
  verifier = "";
  cameBack: CameBack | undefined;
  readonly redirectUrl = callback;
  readonly clientMetadata = {
    client_name: "a client",
    redirect_uris: [callback],
    grant_types: ["authorization_code", "refresh_token"],
  };
  clientMetadataUrl?: string;

  clientInformation(): OAuthClientInformationMixed | undefined {
    return this.information;
  }
  saveClientInformation(information: OAuthClientInformationMixed): void {
    this.information = information as OAuthClientInformationFull;
  }
  tokens(): OAuthTokens | undefined {
    return this.given;
  }
  saveTokens(tokens: OAuthTokens): void {
    this.given = tokens;
  }
  state(): string {
    return "the client's state";
  }
  async redirectToAuthorization(url: URL): Promise<void> {
    this.cameBack = await authorizeInBrowser(url.href);
  }
  saveCodeVerifier(verifier: string): void {
    this.verifier = verifier;
  }
  codeVerifier(): string {
    return this.verifier;
  }
}

/** Connects the SDK's client, which authorizes where it is asked to. */
export async function connect(address: string, memory = new Memory()): Promise<{ client: Client; memory: Memory }> {
  const open = async () => {
    const transport = new StreamableHTTPClientTransport(new URL(address), { authProvider: memory });
    const client = new Client({ name: "test", version: "1.0.0" }, { capabilities: {} });
    try {
      await client.connect(transport);
      return client;
    } catch (error) {
      if (!(error instanceof UnauthorizedError)) throw error;
      await transport.finishAuth(memory.cameBack?.code ?? "");
      return undefined;
    }
  };
  const client = (await open()) ?? (await open());
  if (!client) throw new Error("two authorizations were not enough");
  return { client, memory };
}
