import { asCodemieError, type CodemieError } from "../../core/errors.ts";
import { orAborted } from "../../core/time.ts";
import type { Deployment } from "../../oauth/metadata.ts";
import { requestToken } from "../../oauth/token-endpoint.ts";
import type { AccessToken, Authorization, Waiting } from "../authorization.ts";
import type { Challenge } from "../challenge.ts";
import { mcpFailure } from "../failures.ts";
import { loggable, plainCode } from "../log.ts";
import { askForToken } from "./ask.ts";
import { type Client, givenClient } from "./client.ts";
import { discover } from "./discovery.ts";
import { type Grant, giveUp, grantOf, Leftovers } from "./grant.ts";
import type { SessionOptions } from "./options.ts";
import { coversScope, joinScopes, wantedScope } from "./scope.ts";
import type { StoreKey } from "./store.ts";

/** No browser opens for so long after an authorization that came to nothing, ms. */
const restMs = 60_000;
/** A token is renewed this long before its end, or a fifth of its life before, whichever is shorter, ms. */
const renewAheadMs = 60_000;
/** After a renewal ahead that failed, how long until the next one, ms. */
const renewPauseMs = 10_000;
/** How long one process may wait for another's login beyond the time that may take, ms. */
const lockExtraMs = 15_000;

/**
 * The OAuth client of one MCP server: gets the token the server demands, keeps it fresh, and gets another one when that is
 * demanded in mid-session. One authorization at a time; all who need it wait for the same one.
 */
export class OAuthSession implements Authorization {
  readonly #options: SessionOptions;
  #deployment: Deployment | undefined;
  #named: string | undefined;
  #client: Client | undefined;
  #grant: Grant | undefined;
  #grantedAt = 0;
  /** a token that was just issued and that the server has not taken yet; from a renewal, or a new authorization */
  #unproved: { readonly token: AccessToken; readonly renewed: boolean } | undefined;
  readonly #leftovers = new Leftovers();
  /** ms; no renewal ahead before it */
  #renewFrom = 0;
  /** the scopes last asked for, and until when they are not asked for again */
  #asked: { readonly scope: string | undefined; readonly until: number } | undefined;
  #flight: Promise<void> | undefined;
  /** why there is no new authorization for a while, and until when */
  #rest: { readonly until: number; readonly error: CodemieError } | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
  }

  async current(signal: AbortSignal): Promise<AccessToken | undefined> {
    await orAborted(this.#flight, signal);
    if (this.#grant?.refreshToken && this.#endsSoon(this.#grant) && this.#now() >= this.#renewFrom) {
      this.#fly(() => this.#renewAhead());
      await orAborted(this.#flight, signal);
    }
    return this.#grant;
  }

  accepted(token: AccessToken | undefined): void {
    if (token !== undefined && token === this.#unproved?.token) this.#unproved = undefined;
  }

  async renew(challenge: Challenge, refused: AccessToken | undefined, waiting: Waiting): Promise<void> {
    const { url, person, grant } = this.#options;
    if (this.#grant !== refused && this.#grant !== undefined) return;
    if (!this.#flight) {
      const now = person.runtime.now();
      if (this.#rest && now < this.#rest.until) throw this.#rest.error;
      const unproved = challenge.status === 401 && refused !== undefined && refused === this.#unproved?.token;
      if (unproved && !this.#unproved?.renewed) {
        throw this.#pause(mcpFailure.tokenRefused(url.origin));
      }
      if (challenge.status === 403) this.#judgeScope(challenge);
      // Where the server refuses what a renewal brought, another renewal would bring the same.
      const alone = grant !== "authorization-code" || (this.#grant?.refreshToken !== undefined && !unproved);
      if (!waiting.attended && !alone) throw mcpFailure.loginNeeded(url.origin);
      this.#fly(() => this.#obtain(challenge, waiting.attended, !unproved));
    }
    await orAborted(this.#flight, waiting.signal, true);
  }

  async close(patienceMs: number): Promise<void> {
    const { store, http } = this.#options;
    if (!this.#deployment) return;
    const { server } = this.#deployment;
    const left = await this.#leftovers.giveUp(server, http, patienceMs);
    if (!store && this.#client) await giveUp(server, this.#client, this.#grant, http, left);
  }

  #fly(work: () => Promise<void>): void {
    this.#flight ??= work().finally(() => {
      this.#flight = undefined;
    });
    this.#flight.catch(() => undefined);
  }

  #endsSoon({ expiresAt }: Grant): boolean {
    if (expiresAt === undefined) return false;
    return expiresAt - this.#now() <= Math.min(renewAheadMs, (expiresAt - this.#grantedAt) / 5);
  }

  #now(): number {
    return this.#options.person.runtime.now();
  }

  /** A wider scope is asked for once: what was granted already, or refused before, will not help. */
  #judgeScope({ scope }: Challenge): void {
    const { origin } = this.#options.url;
    const granted = scope === undefined || coversScope(this.#grant?.scope, scope);
    const asked = this.#asked && scope !== undefined && coversScope(this.#asked.scope, scope);
    if (granted || (asked && this.#now() < (this.#asked?.until ?? 0))) throw mcpFailure.scope(origin, scope);
  }

  async #obtain(challenge: Challenge, attended: boolean, renewable: boolean): Promise<void> {
    const deployment = await this.#discovered(challenge);
    const key = this.#keyOf(deployment);
    const refused = this.#grant;
    await this.#exclusive(key, async () => {
      if (await this.#adopted(key, refused, challenge)) return;
      if (challenge.status === 401 && renewable && (await this.#refreshed(deployment, key))) return;
      if (!attended && this.#options.grant === "authorization-code")
        throw mcpFailure.loginNeeded(this.#options.url.origin);
      await this.#notJustAsked(key);
      await this.#authorize(deployment, key, challenge);
    });
  }

  async #discovered({ resourceMetadata: named }: Challenge): Promise<Deployment> {
    if (this.#deployment && (named === undefined || named === this.#named)) return this.#deployment;
    const { url, resource, issuer, http, trace } = this.#options;
    const found = await discover({ url, named, resource, issuer, http, trace });
    // A secret the user gave, and tokens, belong to the authorization server they were first used with.
    const before = this.#deployment?.server.issuer;
    if (before !== undefined && before !== found.server.issuer)
      throw mcpFailure.otherIssuer(before, found.server.issuer);
    // Registered where the user knows, and not wherever the server says.
    const elsewhere = new URL(found.server.issuer).hostname !== url.hostname;
    if (this.#options.client.clientSecret && issuer === undefined && elsewhere) {
      throw mcpFailure.nameIssuer(found.server.issuer);
    }
    this.#named = named;
    this.#deployment = found;
    return found;
  }

  #keyOf({ server, resource }: Deployment): StoreKey {
    const { url, client } = this.#options;
    const who = client.clientId ?? client.metadataUrl ?? "registered";
    return { issuer: server.issuer, resource: resource ?? url.href, client: who };
  }

  async #exclusive(key: StoreKey, work: () => Promise<void>): Promise<void> {
    const { store, person } = this.#options;
    if (!store) return await work();
    await store.exclusive(key, person.timeoutMs + lockExtraMs, work);
  }

  /** Takes a login that another process stored, unless it is the one that was just refused. */
  async #adopted(key: StoreKey, refused: Grant | undefined, challenge?: Challenge): Promise<boolean> {
    const stored = await this.#options.store?.read(key);
    if (!stored) return false;
    const given = this.#deployment && givenClient(this.#deployment.server, this.#options.client);
    this.#client = given ?? stored.client;
    if (stored.grant.accessToken.reveal() === refused?.accessToken.reveal()) return false;
    const enough = challenge?.scope === undefined || coversScope(stored.grant.scope, challenge.scope);
    this.#take(stored.grant);
    this.#options.log.info("took the login another bridge stored");
    const ended = stored.grant.expiresAt !== undefined && stored.grant.expiresAt <= this.#now();
    return enough && !ended;
  }

  async #renewAhead(): Promise<void> {
    const deployment = this.#deployment;
    if (!deployment) return;
    const key = this.#keyOf(deployment);
    const before = this.#grant;
    try {
      await this.#exclusive(key, async () => {
        if (!(await this.#adopted(key, before))) await this.#refreshed(deployment, key, true);
      });
    } catch (error) {
      // The token in hand may still be good; if not, the server says so.
      this.#renewFrom = this.#now() + renewPauseMs;
      this.#options.log.info(`could not renew ahead: ${loggable(error)}`);
    }
  }

  /**
   * Refreshes the token (RFC 6749 section 6); false when only a new authorization helps.
   *
   * @param ahead the token in hand has not ended: it is kept to its end
   */
  async #refreshed(deployment: Deployment, key: StoreKey, ahead = false): Promise<boolean> {
    const { http, trace, log } = this.#options;
    const [grant, client] = [this.#grant, this.#client];
    if (!grant?.refreshToken || !client) return false;
    const form = {
      grant_type: "refresh_token",
      refresh_token: grant.refreshToken.reveal(),
      resource: deployment.resource,
    };
    const answer = await requestToken(deployment.server, client, form, http, trace);
    if ("refused" in answer) {
      log.info(`the refresh token is no longer taken: ${plainCode(answer.refused)}`);
      if (answer.refused === "invalid_client") this.#client = undefined;
      const { refreshToken: _, ...bare } = grant;
      this.#grant = ahead ? bare : undefined;
      return false;
    }
    // A server that does not rotate sends no new refresh token: the old one goes on.
    const renewed = grantOf(answer, grant.scope, this.#now(), grant.refreshToken);
    this.#unproved = { token: renewed, renewed: true };
    await this.#keep(renewed, client, key);
    log.info("the token was renewed");
    return true;
  }

  /** Where windows share a login they share its refusal too: one tab is opened, and not one by each of them. */
  async #notJustAsked(key: StoreKey): Promise<void> {
    const { store, grant, url } = this.#options;
    if (!store || grant !== "authorization-code") return;
    const left = (await store.restsUntil(key)) - this.#now();
    if (left > 0 && left <= restMs) throw mcpFailure.justAsked(url.origin);
  }

  async #authorize(deployment: Deployment, key: StoreKey, challenge: Challenge): Promise<void> {
    const { log, authorized, grant: kind } = this.#options;
    const [before, clientBefore] = [this.#grant, this.#client];
    const wanted = wantedScope(this.#options.scope, challenge, deployment, kind === "authorization-code");
    const scope = challenge.status === 403 ? joinScopes(before?.scope, wanted) : wanted;
    log.info(`authorizing at ${new URL(deployment.server.issuer).origin}`);
    let opened = kind !== "authorization-code";
    try {
      const { answer, client } = await askForToken(this.#options, deployment, scope, this.#client, (chosen) => {
        this.#client = chosen;
        opened = true;
      });
      const grant = grantOf(answer, scope, this.#now());
      this.#unproved = { token: grant, renewed: false };
      this.#asked = { scope, until: this.#now() + restMs };
      // What others share may hang together with what replaces it.
      if (before && clientBefore && !this.#options.store) this.#leftovers.tokens(clientBefore, before);
      await this.#keep(grant, client, key);
    } catch (error) {
      // A registration the server no longer knows shows as a page in the browser and as silence here.
      if (this.#client?.registered && !this.#grant) {
        this.#leftovers.registration(this.#client);
        this.#client = undefined;
      }
      if (!opened) throw error;
      const failed = asCodemieError(error);
      // A bridge that was ended was not declined anything.
      const ended = failed.code === "terminated" || failed.code === "interrupted";
      if (!ended && kind === "authorization-code")
        await this.#options.store?.rest(key, this.#now() + restMs).catch(() => undefined);
      throw this.#pause(failed);
    }
    log.info("authorized");
    await authorized(deployment.server.issuer);
  }

  async #keep(grant: Grant, client: Client, key: StoreKey): Promise<void> {
    this.#client = client;
    this.#take(grant);
    try {
      await this.#options.store?.write(key, grant, client);
    } catch (error) {
      // What cannot be kept is at least used.
      this.#options.log.info(`the login could not be stored: ${loggable(error)}`);
    }
  }

  #take(grant: Grant): void {
    this.#grant = grant;
    this.#grantedAt = this.#now();
    this.#rest = undefined;
  }

  /** After an authorization that came to nothing there is none for a while: no second tab, no storm on the server. */
  #pause(error: CodemieError): CodemieError {
    if (this.#options.grant === "authorization-code") this.#rest = { until: this.#now() + restMs, error };
    return error;
  }
}
