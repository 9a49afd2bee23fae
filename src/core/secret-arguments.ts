import { isSecretName, mask } from "./redaction.ts";

/** A command line with a mask over its secrets, and the arguments that hold them, by their places. */
export interface MaskedArguments {
  readonly shown: readonly string[];
  readonly secrets: readonly (readonly [index: number, argument: string])[];
}

/** Flags whose values are secrets, ours and an agent's, in any spelling: `--api-key`, `--jwt_token`, `--header`, … */
const secretFlag = /^--?[a-z0-9_-]{0,40}(token|key|secret|password|passphrase|header)$/i;
/** A value that is no secret: standard input, or a header whose value comes from a variable. */
const notSecret = /^(-|[^:\s]+: ?(\w+ )?\$\{\w+\})$/;
/** A value of `--id-token` that names where the token is. */
const identitySource = /^(github$|env:\w*$|file:)/;
/** The bridge's flag whose value is a parameter's name and value. */
const parameterFlag = "--authorize-param";

/**
 * Masks the secrets of a command line: values of flags and of parameters that are secrets, and an address's query, fragment,
 * user and password.
 *
 * @returns the masked command line; undefined when it holds no secret
 */
export function maskSecrets(args: readonly string[]): MaskedArguments | undefined {
  const shown = args.map((arg, i) => {
    const at = arg.startsWith("-") ? arg.indexOf("=") : -1;
    const [start, value] = [arg.slice(0, at + 1), arg.slice(at + 1)];
    const flag = at < 0 ? (args[i - 1] ?? "") : arg.slice(0, at);
    const isSource = /^--id[-_]token$/i.test(flag) && identitySource.test(value);
    const isSecret = !isSource && secretFlag.test(flag) && value !== "" && !notSecret.test(value);
    if (isSecret) return start + mask;
    return start + (flag === parameterFlag ? withoutParameter(value) : withoutSecrets(value));
  });
  const secrets = args.flatMap((arg, i) => (arg === shown[i] ? [] : [[i, arg] as const]));
  return secrets.length > 0 ? { shown, secrets } : undefined;
}

/** @returns a parameter, `name=value`, with a mask over its value if that is a secret */
function withoutParameter(text: string): string {
  const name = text.slice(0, Math.max(0, text.indexOf("=")));
  return isSecretName(name) && text.length > name.length + 1 ? `${name}=${mask}` : withoutSecrets(text);
}

/** @returns an address with a mask over its secrets; any other text unchanged */
function withoutSecrets(text: string): string {
  const url = /^https?:/i.test(text) ? URL.parse(text) : null;
  if (!url || `${url.search}${url.hash}${url.username}${url.password}` === "") return text;
  return `${url.origin}${url.pathname}${url.search && `?${mask}`}${url.hash && `#${mask}`}`;
}
