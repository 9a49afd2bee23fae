/** Environment variables by name. */
export type Env = Readonly<Record<string, string | undefined>>;

/** Variables that programs from elsewhere look for in small letters, in Windows too: curl its proxy, npm its settings. */
const inSmall = /^(?:\w+_proxy|npm_\w+)$/;

/**
 * Windows takes the name of a variable in any spelling. Here names are compared: `codemie_jwt_token` would be no secret, and
 * `anthropic_base_url` would lead an agent past the gateway.
 *
 * @param env that of a process in Windows
 * @returns its variables with their names in capitals, but for {@link inSmall}; each is found by any spelling
 */
export function inAnySpelling(env: Env): Env {
  const entries = Object.entries(env).map(([name, value]) => [inSmall.test(name) ? name : name.toUpperCase(), value]);
  return new Proxy<Env>(Object.fromEntries(entries), {
    get: (all, name) => {
      const text = String(name);
      return all[text] ?? all[text.toUpperCase()] ?? all[text.toLowerCase()];
    },
  });
}

/** @returns the variables without those of these names, in whatever spelling */
export const withoutNamed = (env: Env, names: readonly (string | undefined)[]): Env => {
  const hidden = new Set(names.map((name) => name?.toUpperCase()));
  return Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name.toUpperCase())));
};

/** @returns true in a job of a CI system, where no person can log in: `CI`, and what Azure Pipelines and Jenkins set instead */
export const isCi = (env: Env): boolean => Boolean((env.CI && env.CI !== "false") || env.TF_BUILD || env.JENKINS_URL);

/** Our own secrets: no program that we start needs them. */
const ownSecrets =
  /^CODEMIE_(JWT_TOKEN|JWT_TOKEN_FILE|API_KEY|VAULT_PASSPHRASE|VAULT_PASSPHRASE_FILE|VAULT_PASSPHRASE_COMMAND|VAULT_KEY_FILE|ID_TOKEN)$/;

/** Who has these can have GitHub issue the job's identity token, for any audience. */
const githubIdentity = /^ACTIONS_ID_TOKEN_REQUEST_(TOKEN|URL)$/;

/** True for a variable through which our credential is had, as `CODEMIE_ID_TOKEN` names it. */
const isIdentity = (name: string, source: string | undefined) =>
  source === "github" ? githubIdentity.test(name) : source?.toUpperCase() === `ENV:${name.toUpperCase()}`;

/** True for an empty HOME: to some programs it means the current folder, and none means the system's home. */
const isNowhere = (name: string, value: string) => name === "HOME" && value === "";

declare const withoutSecrets: unique symbol;

/** An environment for a program that is not ours: none of our secrets is in it. {@link withoutOwnSecrets} makes one. */
export type ForeignEnv = Readonly<Record<string, string>> & { readonly [withoutSecrets]: true };

/** @returns the environment without our own secrets: for programs that we start */
export function withoutOwnSecrets(env: Env): ForeignEnv {
  const source = env.CODEMIE_ID_TOKEN;
  const kept = Object.entries(env).filter(
    ([name, value]) =>
      value !== undefined && !ownSecrets.test(name) && !isIdentity(name, source) && !isNowhere(name, value),
  );
  return Object.fromEntries(kept) as ForeignEnv;
}
