import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { chromiumPath } from "./chromium.ts";

/** Starts a real Chromium that talks to nobody but the pages it is sent to. */
export async function startBrowser(): Promise<Browser> {
  return await chromium.launch({
    executablePath: chromiumPath() ?? "",
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

/** Fills in the provider's login page and its consent page, until it sends the browser somewhere else. */
export async function passLoginPages(page: Page, person: string): Promise<void> {
  await page.fill('input[name="login"]', person);
  await page.fill('input[name="password"]', "any");
  await page.click('button[type="submit"]');
  await page.click('form button:has-text("Continue")');
}

/**
 * Goes through the login as a person would: the provider's pages, and back to the program.
 *
 * @param url the address the program printed
 * @param person the name to log in with
 * @returns the page the person ends at
 */
export async function logInAs(context: BrowserContext, url: string, person: string): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url);
  await passLoginPages(page, person);
  await page.waitForURL(/^http:\/\/localhost:\d+\//);
  return page;
}
