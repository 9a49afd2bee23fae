import { hashOf } from "../../core/crypto.ts";
import { escapeHtml } from "../../core/text.ts";

/** The texts of a page in the browser. Rendering escapes all of them. */
export interface Page {
  readonly good: boolean;
  readonly title: string;
  readonly lines: readonly string[];
}

const good = (title: string, ...lines: string[]): Page => ({ good: true, title, lines });
const bad = (title: string, ...lines: string[]): Page => ({ good: false, title, lines });
const lookAtTerminal = "Look at your terminal.";

/** The texts of all pages that a login can end with. `who` is the person, as {@link describe} returns it. */
export const pages = {
  loggedIn: (who: string, origin: string) =>
    good("You are logged in", `${who} at ${origin}`, "You can close this page and go back to your terminal."),
  loggedInMidSetup: (who: string, origin: string) =>
    good("You are logged in", `${who} at ${origin}`, "Continue in your terminal: a few questions are left."),
  renewed: (who: string, origin: string) =>
    good("Your session is renewed", `${who} at ${origin}`, "You can close this page and go back to your terminal."),
  otherPerson: (who: string) =>
    good("One question is left", `You logged in as ${who}, another person than before.`, "Answer it in your terminal."),
  accessGranted: () => good("Access granted", "The tools of the server are available now.", "You can close this page."),
  /** @param lines the failure's message and hint; without them the page points to the terminal */
  failed: (...lines: string[]) => bad("Not logged in", ...(lines.length > 0 ? lines : [lookAtTerminal])),
  over: () => bad("This login is already over", lookAtTerminal),
  tooLate: () =>
    bad(
      "Too late",
      "This login had ended before you finished it.",
      "Close this page, and log in again from your terminal.",
    ),
  startedBefore: () =>
    bad(
      "This address works once",
      "Open the address in your terminal instead.",
      "Is this the first page you see? Then another program of this machine was here before you: stop the login.",
    ),
  unreadable: () => bad("This is not a login", "The address holds no login that codemie can read."),
  unfinished: () => bad("The login did not finish", lookAtTerminal),
} satisfies Record<string, (...args: never[]) => Page>;

const style = `
:root{color-scheme:light dark;--ink:#1c2024;--soft:#60646c;--ground:#f6f7f9;--card:#fff;--line:#e0e3e8;--good:#18794e;--bad:#b42318}
@media(prefers-color-scheme:dark){:root{--ink:#edeef0;--soft:#a3a9b3;--ground:#111315;--card:#1a1d21;--line:#2c3036;--good:#4cc38a;--bad:#ff8a7a}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:30rem;background:var(--card);border:1px solid var(--line);border-radius:14px;padding:32px 36px}
.mark{width:44px;height:44px;border-radius:50%;display:grid;place-items:center;color:var(--card);font-size:22px;font-weight:700}
.good .mark{background:var(--good)}.bad .mark{background:var(--bad)}
h1{font-size:1.3rem;line-height:1.3;margin:18px 0 8px}
p{margin:0 0 6px;color:var(--soft);overflow-wrap:anywhere}
footer{margin-top:24px;padding-top:14px;border-top:1px solid var(--line);font-size:.8rem;color:var(--soft)}
`;

/** The page loads no script, image, font or anything else; only the style above, allowed by its hash (CSP level 3). */
const styleHash = hashOf("sha256", style).toString("base64");

/** Headers of every answer of the callback server: no caching, no referrer, no scripts, no framing. */
export const pageHeaders: Readonly<Record<string, string>> = {
  "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

/** @returns the page as HTML, with {@link pageHeaders} and the status */
export function renderPage(page: Page, status = 200): Response {
  const lines = page.lines.map((line) => `<p>${escapeHtml(line)}</p>`).join("\n");
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escapeHtml(page.title)} · CodeMie</title><link rel="icon" href="data:,"><style>${style}</style></head>
<body><main class="${page.good ? "good" : "bad"}"><div class="mark" aria-hidden="true">${page.good ? "✓" : "!"}</div>
<h1>${escapeHtml(page.title)}</h1>
${lines}
<footer>codemie · this page was served by the program in your terminal</footer></main></body></html>
`;
  return new Response(html, { status, headers: { ...pageHeaders, "content-type": "text/html; charset=utf-8" } });
}
