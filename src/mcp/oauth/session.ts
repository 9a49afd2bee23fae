import { type Renewal, renewUnderLock } from "../../auth/renewal.ts";
import { asCodemieError, type CodemieError } from "../../core/errors.ts";
import { orAborted } from "../../core/time.ts";
import { type Client, withProofKey } from "../../oauth/client.ts";
import { plainCode } from "../../oauth/fault.ts";
import type { AccessToken, Authorization, Waiting } from "../authorization.ts";
import type { Challenge } from "../challenge.ts";
import { mcpFailure } from "../failures.ts";
import { loggable } from "../log.ts";
import { askForToken } from "./ask.ts";
import { proofKeyFor } from "./bound.ts";
import { givenClient } from "./client.ts";
import { CurrentDeployment } from "./deployment.ts";
import type { Deployment } from "./discovery.ts";
import { type Grant, giveUp, grantOf, type HeldGrant, isOfUse, Leftovers, sameSecret } from "./grant.ts";
import type { HowToRenew, SessionOptions } from "./options.ts";
import { Rest, restMs } from "./rest.ts";
import { coversScope, joinScopes, wantedScope } from "./scope.ts";
import type { StoreKey } from "./store.ts";
import { refreshGrant } from "./token.ts";

/** The session renews a token this long before its end, ms, or a fifth of its life before, whichever is shorter. */
const renewAheadMs = 60_000;
/** Time between two renewals that nobody waits for, and after one ahead of a token's end that failed, ms. */
const renewPauseMs = 10_000;
/** A process waits for another's login as long as a login may take, and this much longer, ms. */
const lockExtraMs = 15_000;

/**
 * The OAuth client for one MCP server: gets the token that the server demands, keeps it fresh, and gets another when
 * the server demands that later. One authorization runs at a time; all requests that need it wait for the same one.
 */
export class OAuthSession implements Authorization {
  readonly #options: SessionOptions;
  readonly #deployment: CurrentDeployment;
  #client: Client | undefined;
  #grant: Grant | undefined;
  #grantedAt = 0;
  /** the newest token, until the server accepts it; `renewed`: from a renewal, else from an authorization */
  #unproved: { readonly token: AccessToken; readonly renewed: boolean } | undefined;
  readonly #leftovers = new Leftovers();
  /** no renewal ahead before this time, ms since the epoch */
  #renewFrom = 0;
  /** the scopes last requested, and until when we do not request them again */
  #asked: { readonly scope: string | undefined; readonly until: number } | undefined;
  #flight: { readonly done: Promise<void>; readonly attended: boolean } | undefined;
  readonly #rest: Rest;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#deployment = new CurrentDeployment(options);
    this.#rest = new Rest(() => this.#now(), options.store);
  }

  async current({ signal, attended }: Waiting): Promise<AccessToken | undefined> {
    await orAborted(this.#flight?.done, signal);
    const isTime = this.#now() >= this.#renewFrom && (attended || !this.#hasJustRenewed());
    if (this.#grant?.refreshToken && this.#endsSoon(this.#grant) && isTime) {
      this.#fly(() => this.#renewAhead(), false);
      await orAborted(this.#flight?.done, signal);
    }
    return this.#grant;
  }

  accepted(token: AccessToken | undefined): void {
    if (token !== undefined && token === this.#unproved?.token) this.#unproved = undefined;
  }

  async renew(challenge: Challenge, refused: AccessToken | undefined, waiting: Waiting): Promise<void> {
    const { url, grant } = this.#options;
    // A flight that may not ask the person ends with an error where only that helps.
    while (waiting.attended && this.#flight && !this.#flight.attended) {
      const over = this.#flight.done.catch(() => undefined);
      await orAborted(over, waiting.signal, true);
    }
    if (this.#grant !== refused && this.#grant !== undefined) return;
    if (!this.#flight) {
      await this.#rest.check();
      const unproved = challenge.status === 401 && refused !== undefined && refused === this.#unproved?.token;
      if (unproved && !this.#unproved?.renewed) {
        throw this.#pause(mcpFailure.tokenRefused(url.origin));
      }
      if (challenge.status === 403) this.#judgeScope(challenge);
      // If the server refuses a token that a renewal brought, another renewal would not help.
      const alone = grant !== "authorization-code" || (this.#grant?.refreshToken !== undefined && !unproved);
      if (!waiting.attended && (!alone || this.#hasJustRenewed())) throw mcpFailure.loginNeeded(url.origin);
      this.#fly(() => this.#obtain(challenge, waiting.attended, !unproved), waiting.attended);
    }
    await orAborted(this.#flight?.done, waiting.signal, true);
  }

  async close(patienceMs: number): Promise<void> {
    const { store, http } = this.#options;
    const left = await this.#leftovers.giveUp(http, patienceMs);
    const server = this.#deployment.known?.server;
    if (!store && server && this.#client) await giveUp(server, this.#client, this.#grant, http, left);
  }

  #fly(work: () => Promise<void>, attended: boolean): void {
    if (this.#flight) return;
    const done = work().finally(() => {
      this.#flight = undefined;
    });
    done.catch(() => undefined);
    this.#flight = { done, attended };
  }

  #endsSoon({ expiresAt }: Grant): boolean {
    if (expiresAt === undefined) return false;
    return expiresAt - this.#now() <= Math.min(renewAheadMs, (expiresAt - this.#grantedAt) / 5);
  }

  #hasJustRenewed(): boolean {
    return this.#now() < this.#grantedAt + renewPauseMs;
  }

  #now(): number {
    return this.#options.person.runtime.now();
  }

  /** Throws when a wider scope would not help: it is granted already, or we requested it a short time ago. */
  #judgeScope({ scope }: Challenge): void {
    const { origin } = this.#options.url;
    const granted = scope === undefined || coversScope(this.#grant?.scope, scope);
    const asked = this.#asked && scope !== undefined && coversScope(this.#asked.scope, scope);
    if (granted || (asked && this.#now() < (this.#asked?.until ?? 0))) throw mcpFailure.scope(origin, scope);
  }

  async #obtain(challenge: Challenge, attended: boolean, renewable: boolean): Promise<void> {
    const before = this.#deployment.known;
    const deployment = await this.#deployment.for(challenge);
    const { issuer } = deployment.server;
    if (before && before.server.issuer !== issuer) this.#leave(before, issuer);
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
      // Windows that share a login share its refusal too, so that one browser tab opens and not one per window.
      if (this.#options.grant === "authorization-code") await this.#rest.checkShared(key, this.#options.url.origin);
      await this.#authorize(deployment, key, challenge);
    });
  }

  /**
   * Leaves an authorization server that the MCP server names no more: its client and tokens are for nobody else. With a store,
   * they stay there, in case it is named again.
   */
  #leave({ server }: Deployment, issuer: string): void {
    const { store, log } = this.#options;
    log.info(`the server now names the authorization server ${new URL(issuer).origin}`);
    if (!store && this.#client) this.#leftovers.registration(server, this.#client, this.#grant);
    this.#client = this.#grant = this.#unproved = this.#asked = undefined;
  }

  #keyOf({ server, resource }: Deployment): StoreKey {
    const { url, client } = this.#options;
    const who = client.clientId ?? client.metadataUrl ?? "registered";
    return { server: url.origin, issuer: server.issuer, resource: resource ?? url.href, client: who };
  }

  async #exclusive<T>(key: StoreKey, work: () => Promise<T>): Promise<T> {
    const { store, person } = this.#options;
    if (!store) return await work();
    return await store.exclusive(key, person.timeoutMs + lockExtraMs, work);
  }

  async #renewAhead(): Promise<void> {
    const deployment = this.#deployment.known;
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
      // The current token may still be good; if not, the server refuses it.
      this.#renewFrom = this.#now() + renewPauseMs;
      this.#options.log.info(`could not renew ahead: ${loggable(error)}`);
    }
  }

  /** Takes a login that another process stored, if it is useful; else renews the current one. */
  async #renewUnlessStored(deployment: Deployment, key: StoreKey, how: HowToRenew) {
    const { store, log } = this.#options;
    const outcome = await renewUnderLock<HeldGrant>({
      locked: how.locked,
      read: () => this.#stored(key, how.refused),
      isSettled: ({ grant }) =>
        !sameSecret(grant.accessToken, how.refused?.accessToken) && isOfUse(grant, how.scope, this.#now()),
      renew: async (held) => (how.mayRenew ? await this.#refresh(deployment, held, how.ahead) : { kind: "ended" }),
      store: async ({ grant, client }) => await store?.write(key, grant, client),
      unstored: (error) => log.info(`the login could not be stored: ${loggable(error)}`),
      take: (held, outcome) => this.#keepRenewed(held, outcome),
      audit: async () => await this.#options.renewed(deployment.server.issuer),
    });
    if (outcome.kind === "unknown" && outcome.error) throw outcome.error;
    return outcome;
  }

  /** @returns the login to use now: one that another process stored, unless the server just refused it; else our own */
  async #stored(key: StoreKey, refused: Grant | undefined): Promise<HeldGrant | undefined> {
    const stored = await this.#options.store?.read(key);
    if (stored) {
      const server = this.#deployment.known?.server;
      const given = server && givenClient(server, this.#options.client);
      this.#client = given ? withProofKey(given, stored.client.proofKey) : stored.client;
      if (!sameSecret(stored.grant.accessToken, refused?.accessToken)) {
        this.#take(stored.grant);
        this.#options.log.info("took the login another bridge stored");
      } else if (!sameSecret(stored.grant.refreshToken, this.#grant?.refreshToken)) this.#grant = stored.grant;
    }
    return this.#grant && this.#client ? { grant: this.#grant, client: this.#client } : undefined;
  }

  /**
   * Refreshes the token (RFC 6749 section 6); `ended` when only a new authorization helps.
   *
   * @param ahead true: the current token has not ended, so keep it after a refusal
   */
  async #refresh(deployment: Deployment, held: HeldGrant, ahead: boolean): Promise<Renewal<HeldGrant>> {
    const { http, trace, log } = this.#options;
    const outcome = await refreshGrant(deployment, held, http, trace, this.#now());
    if (outcome.kind === "ended" && outcome.code !== undefined) {
      log.info(`the server no longer accepts the refresh token: ${plainCode(outcome.code)}`);
      const { refreshToken: _, ...bare } = held.grant;
      this.#grant = bare;
      await this.#endRegistration(this.#keyOf(deployment));
      if (!ahead) this.#grant = undefined;
    }
    return outcome;
  }

  #keepRenewed({ grant, client }: HeldGrant, outcome: string): void {
    if (outcome === "unknown") this.#grant = grant; // its refresh token may be a new one
    if (outcome !== "renewed") return; // #stored took an adopted login; nothing else changed
    this.#unproved = { token: grant, renewed: true };
    this.#client = client;
    this.#take(grant);
    this.#options.log.info("the token was renewed");
  }

  async #authorize(deployment: Deployment, key: StoreKey, challenge: Challenge): Promise<void> {
    const { log, trace, authorized, grant: kind } = this.#options;
    const { server } = deployment;
    const [before, clientBefore] = [this.#grant, this.#client];
    const wanted = wantedScope(this.#options.scope, challenge, deployment, kind === "authorization-code");
    const scope = challenge.status === 403 ? joinScopes(before?.scope, wanted) : wanted;
    const proofKey = await proofKeyFor(deployment, challenge, clientBefore?.proofKey, trace);
    const options = { ...this.#options, client: { ...this.#options.client, proofKey } };
    log.info(`authorizing at ${new URL(server.issuer).origin}`);
    let opened = kind !== "authorization-code";
    if (!opened) this.#rest.countTab(this.#options.url.origin);
    try {
      const { answer, client } = await askForToken(options, deployment, scope, this.#client, (chosen) => {
        this.#client = chosen;
        opened = true;
      });
      const grant = grantOf(answer, client, scope, this.#now());
      this.#unproved = { token: grant, renewed: false };
      this.#asked = { scope, until: this.#now() + restMs };
      if (clientBefore?.registered && clientBefore.id !== client.id) this.#leftovers.registration(server, clientBefore);
      // Do not revoke tokens that other processes share: revoking them may end their replacement too.
      if (before && clientBefore && !this.#options.store) this.#leftovers.tokens(server, clientBefore, before);
      await this.#keep(grant, client, key);
    } catch (error) {
      if (!opened) throw error;
      const failed = asCodemieError(error);
      // When the bridge was stopped, nobody declined the authorization.
      if (failed.code === "terminated" || failed.code === "interrupted") throw this.#pause(failed);
      if (this.#client?.registered && this.#client.id !== clientBefore?.id)
        this.#leftovers.registration(server, this.#client);
      this.#client = clientBefore;
      await this.#endRegistration(key);
      if (kind === "authorization-code") await this.#rest.share(failed, key);
      throw failed;
    }
    log.info("authorized");
    await authorized(server.issuer);
  }

  /**
   * Ends our registration, here and in the vault, so that the next authorization registers anew: the server may have
   * forgotten it, and then must not send the browser back to say so (RFC 6749 section 4.1.2.1). Never throws.
   */
  async #endRegistration(key: StoreKey): Promise<void> {
    if (!this.#client?.registered) return;
    this.#client = { ...this.#client, registered: { ...this.#client.registered, expiresAt: 0 } };
    if (this.#grant) await this.#write(key, this.#grant, this.#client);
  }

  async #keep(grant: Grant, client: Client, key: StoreKey): Promise<void> {
    this.#client = client;
    this.#take(grant);
    await this.#write(key, grant, client);
  }

  async #write(key: StoreKey, grant: Grant, client: Client): Promise<void> {
    try {
      await this.#options.store?.write(key, grant, client);
    } catch (error) {
      // Use the login even if it cannot be stored.
      this.#options.log.info(`the login could not be stored: ${loggable(error)}`);
    }
  }

  #take(grant: Grant): void {
    this.#grant = grant;
    this.#grantedAt = this.#now();
    this.#rest.end();
  }

  #pause(error: CodemieError): CodemieError {
    if (this.#options.grant === "authorization-code") this.#rest.begin(error);
    return error;
  }
}
