/** Shorter texts are no credential of ours, and may be words. */
const shortestSecret = 8;
/** Takes the place of a secret. */
export const mask = "[redacted]";

/**
 * Masks secrets in the words of somebody they were sent to, before anything is cut off: a part of a secret is one too.
 *
 * @param text untrusted words
 * @param secrets what was sent; too short ones are left out
 * @returns the text with `[redacted]` for each secret, as it is, or as a form, an address or JSON spells it, in upper or lower
 *   case
 */
export function masked(text: string, secrets: readonly string[]): string {
  const spellings = secrets.filter(({ length }) => length >= shortestSecret).flatMap(spellingsOf);
  if (spellings.length === 0) return text;
  const longestFirst = [...new Set(spellings)].toSorted((a, b) => b.length - a.length);
  const literals = longestFirst.map((one) => one.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"));
  return text.replace(new RegExp(literals.join("|"), "gi"), mask);
}

function spellingsOf(secret: string): string[] {
  const form = new URLSearchParams({ "": secret }).toString().slice(1);
  return [secret, form, encodeURIComponent(secret.toWellFormed()), JSON.stringify(secret).slice(1, -1)];
}

/** Names of parameters whose values are secrets: those of RFC 6749, 7521, 7636, 8628 and 8693, and what providers add. */
const secretName =
  /^(?:code|id_token_hint)$|(?:token|key|secret|password|passphrase|credential|ticket|jwt|assertion|verifier|_code)$/i;

/** @returns true for a parameter of an OAuth request whose value is a secret */
export const isSecretName = (name: string): boolean => secretName.test(name);

/** @returns the secrets among the parameters of an OAuth request */
export function secretsInForm(form: URLSearchParams): string[] {
  return [...form].flatMap(([name, value]) => (isSecretName(name) ? [value] : []));
}

const credentialHeaders = ["authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key"];

/**
 * @param headers of a request
 * @param every true: every value is a secret, as with headers that the user gave
 * @returns its credentials, without their schemes, and the values of its cookies
 */
export function secretsInHeaders(headers: Headers, every = false): string[] {
  return [...headers].flatMap(([name, value]) => {
    if (name === "cookie") return value.split("; ").map((cookie) => cookie.slice(cookie.indexOf("=") + 1));
    if (!every && !credentialHeaders.includes(name)) return [];
    const [, scheme, credential = value] = /^([a-z]+) (.*)$/i.exec(value) ?? [];
    if (!name.endsWith("authorization")) return [value, credential];
    return /^basic$/i.test(scheme ?? "") ? [credential, ...passwordIn(credential)] : [credential];
  });
}

/** Returns the password of Basic credentials (RFC 7617), as it is and decoded (RFC 6749 section 2.3.1). */
function passwordIn(credential: string): string[] {
  const pair = Buffer.from(credential, "base64").toString();
  const password = pair.slice(pair.indexOf(":") + 1);
  return [password, new URLSearchParams(`p=${password.replaceAll("&", "%26")}`).get("p") ?? ""];
}
