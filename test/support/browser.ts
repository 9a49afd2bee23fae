import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

/** Starts a real Chromium that talks to nobody but the pages it is sent to. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = process.env.CHROMIUM || Bun.which("chromium") || Bun.which("google-chrome") || "";
  return await chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/**
 * Goes through the login as a person would: the provider's login page, its consent page, back to the program.
 *
 * @param url the address the program printed
 * @param person the name to log in with
 * @returns the page the person ends at
 */
export async function logInAs(context: BrowserContext, url: string, person: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await page.fill('input[name="login"]', person);
  await page.fill('input[name="password"]', "any");
  await page.click('button[type="submit"]');
  await page.waitForSelector('form[action*="interaction"] button[autofocus], form button:has-text("Continue")');
  await Promise.all([page.waitForURL(/^http:\/\/localhost:\d+\//), page.click('form button:has-text("Continue")')]);
  return page;
}
