#!/usr/bin/env node
// Stands where a browser would: follows the address it is given, as often as it is redirected, and ends.
import http from "node:http";

let url = process.argv[2];
while (url) {
  const response = await new Promise((resolve, reject) => http.get(url, resolve).on("error", reject));
  response.resume();
  await new Promise((resolve) => response.on("end", resolve));
  url = response.headers.location && new URL(response.headers.location, url).href;
}
