import { CodemieError } from "../core/errors.ts";
import { providersTrouble } from "../core/hints.ts";
import { printable } from "../core/text.ts";

/** Failures of authorization servers, as users see them. */
export const oauthFailure = {
  /** @param what the name of the address, for example `the token endpoint` */
  address: (what: string, address: string) =>
    new CodemieError(
      "auth_refused",
      `${what} that the server names cannot be used: ${printable(address, 200)}`,
      "codemie follows only https: addresses (http: on this machine, for a server on this machine), and none of more than some 2,000 characters; report it to the server's administrator",
      { forLog: `${what} that the server names cannot be used` },
    ),
  tooLong: (address: string, bytes: number) =>
    new CodemieError(
      "server_error",
      `${printable(address, 200)} sent more than ${bytes} bytes`,
      "this cannot be metadata; report it to the server's administrator",
      { forLog: "a document was too long" },
    ),
  /** @param address where the provider's keys are */
  keys: (address: string, status: number) =>
    new CodemieError(
      "server_error",
      `${printable(address, 200)} answered ${status} instead of the provider's keys`,
      providersTrouble,
    ),
  key: (why: string) =>
    new CodemieError("usage", `the client's key cannot be used: ${why}`, "check --client-key or --client-key-env"),
  /** @param takesDocuments true: the server takes client ID metadata documents */
  noRegistration: (issuer: string, takesDocuments: boolean) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} does not register clients by itself (RFC 7591)`,
      `register one with its administrator and name it with --client-id${takesDocuments ? ", or give --client-metadata-url" : ""}`,
    ),
  registrationRefused: (issuer: string, status: number, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `the authorization server ${printable(issuer, 120)} refused to register this client: ${status}${detail ? ` ${printable(detail)}` : ""}`,
      "register one with its administrator and name it with --client-id",
      { forLog: `${printable(issuer, 120)} refused the registration: ${status}` },
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
