import { type Renewal, renewUnderLock } from "../../auth/renewal.ts";
import { asCodemieError, type CodemieError } from "../../core/errors.ts";
import { orAborted } from "../../core/time.ts";
import { plainCode } from "../../oauth/answer.ts";
import type { Client } from "../../oauth/client.ts";
import type { AccessToken, Authorization, Waiting } from "../authorization.ts";
import type { Challenge } from "../challenge.ts";
import { mcpFailure } from "../failures.ts";
import { loggable } from "../log.ts";
import { askForToken } from "./ask.ts";
import { givenClient } from "./client.ts";
import type { Deployment } from "./discovery.ts";
import { discover } from "./discovery.ts";
import { type Grant, giveUp, grantOf, type HeldGrant, isOfUse, Leftovers } from "./grant.ts";
import type { SessionOptions } from "./options.ts";
import { coversScope, joinScopes, wantedScope } from "./scope.ts";
import type { StoreKey } from "./store.ts";
import { tokenOrRefusal } from "./token.ts";

/** No browser opens for so long after an authorization that came to nothing, ms. */
const restMs = 60_000;
/** A token is renewed this long before its end, or a fifth of its life before, whichever is shorter, ms. */
const renewAheadMs = 60_000;
/** After a renewal ahead that failed, how long until the next one, ms. */
const renewPauseMs = 10_000;
/** How long one process may wait for another's login beyond the time that may take, ms. */
const lockExtraMs = 15_000;

interface HowToRenew {
  /** the token that the server did not take, or that ends soon */
  readonly refused: Grant | undefined;
  /** scope that a stored login has to have to be of use */
  readonly scope: string | undefined;
  /** false: a renewed token would be no better */
  readonly mayRenew: boolean;
  /** the token in hand has not ended yet */
  readonly ahead: boolean;
  locked<T>(work: () => Promise<T>): Promise<T>;
}

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
    const mayRenew = challenge.status === 401 && renewable;
    await this.#exclusive(key, async () => {
      const { kind } = await this.#renewUnlessStored(deployment, key, {
        refused,
        scope: challenge.scope,
        mayRenew,
        ahead: false,
        locked: (work) => work(),
      });
      if (kind === "adopted" || kind === "renewed") return;
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

  async #exclusive<T>(key: StoreKey, work: () => Promise<T>): Promise<T> {
    const { store, person } = this.#options;
    if (!store) return await work();
    return await store.exclusive(key, person.timeoutMs + lockExtraMs, work);
  }

  async #renewAhead(): Promise<void> {
    const deployment = this.#deployment;
    if (!deployment) return;
    const key = this.#keyOf(deployment);
    try {
      await this.#renewUnlessStored(deployment, key, {
        refused: this.#grant,
        scope: undefined,
        mayRenew: true,
        ahead: true,
        locked: (work) => this.#exclusive(key, work),
      });
    } catch (error) {
      // The token in hand may still be good; if not, the server says so.
      this.#renewFrom = this.#now() + renewPauseMs;
      this.#options.log.info(`could not renew ahead: ${loggable(error)}`);
    }
  }

  /** Takes a login that another process stored, where it is of use, and else renews the one there is. */
  async #renewUnlessStored(deployment: Deployment, key: StoreKey, how: HowToRenew) {
    const { store, log } = this.#options;
    return await renewUnderLock<HeldGrant>({
      locked: how.locked,
      read: () => this.#stored(key, how.refused),
      isSettled: ({ grant }) => grant !== how.refused && isOfUse(grant, how.scope, this.#now()),
      renew: async (held) => (how.mayRenew ? await this.#refresh(deployment, held, how.ahead) : { kind: "ended" }),
      store: async ({ grant, client }) => await store?.write(key, grant, client),
      unstored: (error) => log.info(`the login could not be stored: ${loggable(error)}`),
      take: (held, outcome) => this.#keepRenewed(held, outcome),
      audit: async () => await this.#options.renewed(deployment.server.issuer),
    });
  }

  /** @returns the login to go on with: one that another process stored, unless it is the one just refused; else our own */
  async #stored(key: StoreKey, refused: Grant | undefined): Promise<HeldGrant | undefined> {
    const stored = await this.#options.store?.read(key);
    if (stored) {
      const given = this.#deployment && givenClient(this.#deployment.server, this.#options.client);
      this.#client = given ?? stored.client;
      if (stored.grant.accessToken.reveal() !== refused?.accessToken.reveal()) {
        this.#take(stored.grant);
        this.#options.log.info("took the login another bridge stored");
      }
    }
    return this.#grant && this.#client ? { grant: this.#grant, client: this.#client } : undefined;
  }

  /**
   * Refreshes the token (RFC 6749 section 6); `ended` when only a new authorization helps.
   *
   * @param ahead the token in hand has not ended: it is kept to its end
   */
  async #refresh(deployment: Deployment, { grant, client }: HeldGrant, ahead: boolean): Promise<Renewal<HeldGrant>> {
    const { http, trace, log } = this.#options;
    if (!grant.refreshToken) return { kind: "ended" };
    const form = {
      grant_type: "refresh_token",
      refresh_token: grant.refreshToken.reveal(),
      resource: deployment.resource,
    };
    const result = await tokenOrRefusal(deployment.server, client, form, http, trace);
    if (result.kind === "refused") {
      log.info(`the server no longer accepts the refresh token: ${plainCode(result.code)}`);
      if (result.code === "invalid_client") this.#client = undefined;
      const { refreshToken: _, ...bare } = grant;
      this.#grant = ahead ? bare : undefined;
      return { kind: "ended" };
    }
    // A server that does not rotate sends no new refresh token: the old one goes on.
    const renewed = grantOf(result.document, grant.scope, this.#now(), grant.refreshToken);
    return { kind: "renewed", login: { grant: renewed, client } };
  }

  #keepRenewed({ grant, client }: HeldGrant, outcome: string): void {
    if (outcome !== "renewed") return; // reading took what others stored, and the rest stays as it is
    this.#unproved = { token: grant, renewed: true };
    this.#client = client;
    this.#take(grant);
    this.#options.log.info("the token was renewed");
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
