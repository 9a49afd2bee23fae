import type { Runtime } from "../platform/runtime.ts";
import type { Credentials } from "./broker.ts";
import { applySetCookies } from "./cookies.ts";
import { authorizeWith, type StoredLogin } from "./credential.ts";

/**
 * Credentials out of a login that is proved and not stored yet.
 *
 * @param login where it is held; a session that the host renews meanwhile takes its place there
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
