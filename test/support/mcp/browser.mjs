#!/usr/bin/env node
// Stands where a browser would: notes the address it is given, follows it as often as it is redirected, and ends.
import { appendFileSync } from "node:fs";
import http from "node:http";

if (process.env.BROWSER_LOG) appendFileSync(process.env.BROWSER_LOG, `${JSON.stringify(process.argv.slice(2))}\n`);
if (process.env.BROWSER_ENV) appendFileSync(process.env.BROWSER_ENV, JSON.stringify(process.env));
let url = process.env.BROWSER_STAYS ? undefined : process.argv[2];
while (url) {
  const response = await new Promise((resolve, reject) => http.get(url, resolve).on("error", reject));
  response.resume();
  await new Promise((resolve) => response.on("end", resolve));
  url = response.headers.location && new URL(response.headers.location, url).href;
}
