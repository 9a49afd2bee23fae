import { CodemieError } from "../core/errors.ts";
import { loginCommand } from "../core/hints.ts";
import { printable } from "../core/text.ts";

/** Failures of the host's REST API, and of model providers' APIs, as users see them. */
export const apiFailure = {
  sessionEnded: (origin: string, profile?: string) =>
    new CodemieError(
      "auth_expired",
      `the session at ${origin} is no longer valid`,
      `run ${loginCommand(origin, profile)}`,
    ),
  forbidden: (origin: string, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} does not allow this account in${detail ? `: ${printable(detail)}` : ""}`,
      "ask the administrator of the host for access, or log in with another account",
    ),
  keyRefused: (origin: string, detail?: string) =>
    new CodemieError(
      "auth_refused",
      `${origin} did not accept the API key${detail ? `: ${printable(detail, 200)}` : ""}`,
      "check the key and what it is allowed to do; codemie setup --method api-key stores another one",
    ),
  /** @param lacksList true: it may be a model API that only has no list of models */
  notAModelApi: (url: string, what: string, lacksList = false) =>
    new CodemieError(
      "wrong_base_url",
      `${url} does not answer like a model API: ${what}`,
      `check --provider, and --url: it is the base URL that the provider's documentation names${lacksList ? "; if it has no list of models, name one with --model" : ""}`,
    ),
  wrongBaseUrl: (origin: string, what: string) =>
    new CodemieError(
      "wrong_base_url",
      `${origin} does not answer like CodeMie: ${what}`,
      "check the URL: it must be the address at which you open CodeMie in the browser",
    ),
  tooLong: (origin: string, bytes: number) =>
    new CodemieError(
      "server_error",
      `an answer of ${origin} has more than ${bytes} bytes`,
      "no list of a CodeMie host or model provider is that long; report it to its administrator",
    ),
  server: (origin: string, status: number, detail?: string) =>
    new CodemieError(
      "server_error",
      `${origin} answered ${status}${detail ? `: ${printable(detail)}` : ""}`,
      status >= 500 || status === 429 ? "try again in a moment" : undefined,
      { status },
    ),
  /** A proxy before the host reaches nothing behind it now: RFC 9110 sections 15.6.3 to 15.6.5. */
  unavailable: (origin: string, status: number) =>
    new CodemieError(
      "unreachable",
      `${origin} is not available now: it answered ${status}`,
      "try again in a moment; if it goes on, codemie doctor shows what works, and the host's administrator knows more",
      { status },
    ),
} satisfies Record<string, (...args: never[]) => CodemieError>;
