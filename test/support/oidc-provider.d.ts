/** The package ships no types; this is the part the sandbox uses. */
declare module "oidc-provider" {
  import type { IncomingMessage, ServerResponse } from "node:http";
  export default class Provider {
    constructor(issuer: string, configuration: Record<string, unknown>);
    callback(): (request: IncomingMessage, response: ServerResponse) => void;
    readonly AccessToken: {
      find(
        token: string,
      ): Promise<{ isValid: boolean; aud?: string; scope?: string; accountId: string; jkt?: string } | undefined>;
    };
    readonly ResourceServer: new (
      identifier: string,
      settings: Record<string, unknown>,
    ) => unknown;
    registerGrantType(
      name: string,
      // biome-ignore lint/suspicious/noExplicitAny: the library's own context, which has no types
      handler: (context: any) => Promise<void>,
      parameters: string[],
    ): void;
    on(event: string, listener: (...args: unknown[]) => void): this;
  }
}
