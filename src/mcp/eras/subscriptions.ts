import { edited, membersOf, objectText } from "../json-text.ts";
import { type Key, memberAt, textAt } from "../message.ts";
import { metaNames } from "./revision-2026-07-28.ts";

/** One `subscriptions/listen` of the client. */
interface Subscription {
  /** notifications that it wants, by method */
  readonly methods: ReadonlySet<string>;
  readonly addresses: readonly string[];
}

/** Wishes that a client may have, and the notification and the capability of the server that belong to each. */
const lists = [
  ["toolsListChanged", "notifications/tools/list_changed", "tools"],
  ["promptsListChanged", "notifications/prompts/list_changed", "prompts"],
  ["resourcesListChanged", "notifications/resources/list_changed", "resources"],
] as const;

/**
 * The streams of changes that a client of MCP 2026-07-28 opens, at a server that sends all changes on its one stream, and those of
 * a resource to whoever subscribed to it.
 */
export class Subscriptions {
  readonly #up: (text: string) => Promise<void>;
  readonly #ask: (method: string, params: string) => Promise<string>;
  readonly #open = new Map<Key, Subscription>();

  /**
   * @param up passes a message on to the client
   * @param ask sends a request to the server, and gives its answer
   */
  constructor(up: (text: string) => Promise<void>, ask: (method: string, params: string) => Promise<string>) {
    this.#up = up;
    this.#ask = ask;
  }

  /**
   * Begins one, and confirms to the client what the server sends of what it wants.
   *
   * @param key id of its request
   * @param capabilities of the server, JSON text
   */
  async begin(key: Key, request: string, capabilities: string | undefined): Promise<void> {
    const wanted = membersOf(memberAt(request, "params", "notifications"));
    const kinds = lists.filter(
      ([name, , kind]) => wanted?.get(name) === "true" && memberAt(capabilities, kind, "listChanged") === "true",
    );
    const isOffered = memberAt(capabilities, "resources", "subscribe") === "true";
    const list: unknown = isOffered ? JSON.parse(wanted?.get("resourceSubscriptions") ?? "[]") : [];
    const answers = (Array.isArray(list) ? list.map(String) : []).map(async (uri) => {
      const answer = this.#isSubscribed(uri) ? "" : await this.#ask("resources/subscribe", JSON.stringify({ uri }));
      return memberAt(answer || undefined, "error") === undefined ? [uri] : [];
    });
    const addresses = (await Promise.all(answers)).flat();
    this.#open.set(key, { methods: new Set(kinds.map(([, method]) => method)), addresses });
    const confirmed = new Map<string, string>(kinds.map(([name]) => [name, "true"]));
    if (addresses.length > 0) confirmed.set("resourceSubscriptions", JSON.stringify(addresses));
    const params = `{"_meta":${metaOf(key)},"notifications":${objectText(confirmed)}}`;
    await this.#up(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":${params}}`);
  }

  /** Ends one. */
  end(key: Key): void {
    const addresses = this.#open.get(key)?.addresses ?? [];
    this.#open.delete(key);
    for (const uri of addresses) {
      if (!this.#isSubscribed(uri)) void this.#ask("resources/unsubscribe", JSON.stringify({ uri }));
    }
  }

  /** Subscribes again, in a new session. */
  renew(): void {
    const addresses = new Set([...this.#open.values()].flatMap((one) => one.addresses));
    for (const uri of addresses) void this.#ask("resources/subscribe", JSON.stringify({ uri }));
  }

  /** Passes a notification of the server on to those who want it. */
  async pass(text: string, method: string): Promise<void> {
    const uri = textAt(text, "params", "uri");
    for (const [key, { methods, addresses }] of this.#open) {
      // A server may name a part of the resource that was subscribed to.
      const isWanted = methods.has(method) || addresses.some((one) => uri === one || uri?.startsWith(`${one}/`));
      if (!isWanted) continue;
      const id = { [metaNames.subscription]: key };
      await this.#up(
        edited(text, { params: (params) => edited(params ?? "{}", { _meta: (old) => edited(old ?? "{}", id) }) }),
      );
    }
  }

  #isSubscribed(uri: string): boolean {
    return [...this.#open.values()].some(({ addresses }) => addresses.includes(uri));
  }
}

const metaOf = (key: Key): string => objectText(new Map([[metaNames.subscription, key]]));
