import type { Runtime } from "../platform/runtime.ts";
import { applySetCookies } from "./cookies.ts";
import { authorizeWith, type StoredLogin } from "./credential.ts";
import type { Credentials } from "./credentials.ts";

/**
 * Makes credentials from a login that is proved but not stored yet.
 *
 * @param held the login; when the host renews the session, the new one replaces it here
 * @returns the credentials; they cannot renew a refused login
 */
export function heldLogin(held: { login: StoredLogin }, { now }: Runtime): Credentials {
  return {
    async current() {
      const { login } = held;
      return { origin: login.origin, authorize: authorizeWith(login), login };
    },
    async capture({ login }, setCookies) {
      if (login?.method !== "sso" || held.login !== login) return;
      const change = applySetCookies(login.cookies, setCookies, now());
      if (change.kind === "replaced") held.login = { ...login, cookies: change.set };
    },
    renew: async () => undefined,
  };
}
