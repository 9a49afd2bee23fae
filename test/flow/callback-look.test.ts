import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import axe from "axe-core";
import { type Page, renderPage } from "../../src/auth/login/callback-page.ts";
import { sharedBrowser } from "../support/shared.ts";
import { cases } from "../support/tiers.ts";

/**
 * The pages a login ends at, in a real browser: nothing an accessibility check finds, nothing that overflows. With
 * SCREENSHOTS=FOLDER each is also kept as a picture, to be looked at.
 */

const pages: Record<string, Page> = {
  good: {
    good: true,
    title: "You are logged in",
    lines: [
      "Ada Lovelace <ada@example.com> at https://codemie.example.com",
      "You can close this page and go back to your terminal.",
    ],
  },
  bad: {
    good: false,
    title: "Not logged in",
    lines: [
      "https://codemie.example.com did not accept the session it had just handed over, so nothing was stored",
      `run codemie profile login --url https://codemie.example.com again ${"x".repeat(200)}`,
    ],
  },
};

const browser = await sharedBrowser();
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => {
    const page = pages[new URL(request.url).pathname.slice(1)];
    return page ? renderPage(page) : new Response(null, { status: 404 });
  },
});
afterAll(() => server.stop(true));

for (const name of cases(Object.keys(pages))) {
  for (const colorScheme of cases(["light", "dark"] as const, 1)) {
    for (const width of [1200, 320]) {
      test(`${name}, ${colorScheme}, ${width} px wide`, async () => {
        // the page's own policy lets no script run; the checker is let past it
        const context = await browser.newContext({ colorScheme, viewport: { width, height: 700 }, bypassCSP: true });
        const page = await context.newPage();
        await page.goto(`http://127.0.0.1:${server.port}/${name}`);
        const folder = process.env.SCREENSHOTS;
        if (folder) await page.screenshot({ path: join(folder, `${name}-${colorScheme}-${width}.png`) });
        await page.addScriptTag({ content: axe.source });
        const { violations, passes } = await page.evaluate(() =>
          (globalThis as unknown as { axe: typeof axe }).axe.run(),
        );
        expect(violations.map(({ id, nodes }) => ({ id, where: nodes.map(({ html }) => html) }))).toEqual([]);
        expect(passes.length).toBeGreaterThan(5);
        expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
        await context.close();
      });
    }
  }
}
