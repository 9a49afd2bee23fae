#!/usr/bin/env node
// Stands where a browser would: notes its arguments, follows the address as often as it is redirected, noting where to, and
// ends.
import { appendFileSync } from "node:fs";
import http from "node:http";

const note = (...words) =>
  process.env.BROWSER_LOG && appendFileSync(process.env.BROWSER_LOG, `${JSON.stringify(words)}\n`);
note("opened", ...process.argv.slice(2));
if (process.env.BROWSER_ENV) appendFileSync(process.env.BROWSER_ENV, JSON.stringify(process.env));
let url = process.env.BROWSER_STAYS ? undefined : process.argv[2];
while (url) {
  const response = await new Promise((resolve, reject) => http.get(url, resolve).on("error", reject));
  response.resume();
  await new Promise((resolve) => response.on("end", resolve));
  url = response.headers.location && new URL(response.headers.location, url).href;
  if (url) note("led", url);
}
