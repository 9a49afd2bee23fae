import type { Env } from "../core/env.ts";
import { asCodemieError, CodemieError, systemCode } from "../core/errors.ts";
import { isLoopback } from "../core/host.ts";
import { printable } from "../core/text.ts";
import { addressesOf, type Certificate, canConnect, certificateOf } from "../platform/diagnose.ts";
import { extraAuthorities, networkFailure } from "../platform/network.ts";
import { type ProxyInUse, proxyFor, shownProxy } from "../platform/proxy.ts";
import type { Runtime } from "../platform/runtime.ts";
import { type Check, failed, failedWith, ok, skipped, warning } from "./check.ts";

/** Firms whose products intercept TLS and present a certificate of their own. */
const interposers =
  /\b(?:zscaler|netskope|palo alto|fortinet|fortigate|umbrella|blue ?coat|symantec|mcafee|skyhigh|sophos|check ?point|kaspersky|eset|avast|avg|bitdefender|forcepoint|cloudflare gateway|iboss|menlo|mitmproxy|charles|fiddler)\b/i;

/** A clock that is wrong by more than this, ms, makes tokens look expired, or not yet valid. */
const clockBearable = 60_000;
/** How long the host may take to tell its time, ms: less than a check may, since the API check names a silent host. */
const clockMs = 10_000;

/** How long the host may take to begin TLS, ms: as for the clock. */
const tlsMs = 10_000;

/** @returns the proxy on the way to a host, undefined without one, or why it cannot be used */
function proxyOf(url: URL, env: Env): ProxyInUse | CodemieError | undefined {
  try {
    return proxyFor(url, env);
  } catch (error) {
    return asCodemieError(error);
  }
}

/** @returns the checks of the way to a host: name, connection, certificate, proxy, clock */
export function networkChecks(origin: string | undefined, runtime: Runtime): Check[] {
  const url = origin === undefined ? undefined : new URL(origin);
  const none = skipped("no host is set up");
  const local = url !== undefined && isLoopback(url.hostname);
  const found = url && proxyOf(url, runtime.env);
  const noWay = found instanceof CodemieError ? found : undefined;
  const proxy = found instanceof CodemieError ? undefined : found?.url;
  const port = url ? Number(url.port || (url.protocol === "https:" ? 443 : 80)) : 0;
  const cause = (error: unknown) =>
    systemCode(error) || (error instanceof Error ? printable(error.message, 80) : "unknown");

  return [
    {
      id: "proxy",
      title: "proxy settings",
      async run() {
        if (!url) return none;
        if (local) return ok("not for this host: loopback never goes to a proxy");
        if (noWay) return failedWith(noWay);
        if (!proxy) return ok(runtime.env.NO_PROXY ? "none for this host (NO_PROXY)" : "none");
        return ok(`${shownProxy(proxy)}${proxy.username ? " (with a user name)" : ""}`);
      },
    },
    {
      id: "dns",
      title: "name",
      async run() {
        if (!url) return none;
        if (noWay) return failedWith(noWay);
        const name = (proxy ?? url).hostname;
        try {
          return ok(`${name} is ${(await addressesOf(name)).slice(0, 3).join(", ")}`);
        } catch (error) {
          const which = proxy ? " (the proxy)" : "";
          return failed(
            `${name}${which} does not resolve (${cause(error)})`,
            "check the address, the network and the VPN",
          );
        }
      },
    },
    {
      id: "tcp",
      title: "connection",
      async run(signal) {
        if (!url) return none;
        if (noWay) return failedWith(noWay);
        const standard = proxy?.protocol === "https:" ? 443 : 80;
        const [name, at] = proxy ? [proxy.hostname, Number(proxy.port || standard)] : [url.hostname, port];
        try {
          await canConnect(name, at, signal);
          return ok(`${name}:${at} answers${proxy ? " (the proxy)" : ""}`);
        } catch (error) {
          return failed(
            `cannot connect to ${proxy ? "the proxy " : ""}${name}:${at} (${cause(error)})`,
            "check the network, the VPN and the proxy",
          );
        }
      },
    },
    {
      id: "tls",
      title: "certificate",
      async run(signal) {
        if (!url) return none;
        if (url.protocol !== "https:") return skipped("plain http: on this machine");
        if (noWay) return failedWith(noWay);
        if (proxy) return skipped("a proxy is in between; the API check verifies the certificate");
        const authorities = extraAuthorities(runtime.env);
        const inTime = AbortSignal.any([signal, AbortSignal.timeout(tlsMs)]);
        let certificate: Certificate | undefined;
        try {
          certificate = await certificateOf(url.hostname, port, authorities, inTime);
        } catch (error) {
          const why = inTime.aborted ? "nothing came" : cause(error);
          return failed(
            `${url.hostname}:${port} answers, but does not speak TLS (${why})`,
            "check the address and its port",
          );
        }
        if (!certificate) return skipped("there is no connection to look on: see connection");
        const { issuer, validUntil, problem } = certificate;
        const end = Number.isNaN(validUntil) ? "" : `, until ${new Date(validUntil).toISOString().slice(0, 10)}`;
        const said = `issued by ${printable(issuer, 80)}${end}`;
        if (validUntil < runtime.now()) return failed(said, "it has expired: ask the host's administrator to renew it");
        const opened = interposers.test(issuer) ? ": a product of this firm decrypts the connection on the way" : "";
        const authority = "if your company runs its own certificate authority, name its file in CODEMIE_CA_CERTS";
        if (problem) return failed(`${said}${opened}; not trusted (${printable(problem, 60)})`, authority);
        return opened ? warning(said + opened, "nothing to do while requests work") : ok(said);
      },
    },
    {
      id: "clock",
      title: "clock",
      async run(signal) {
        if (!url) return none;
        const sent = runtime.now();
        let answer: Response;
        const inTime = AbortSignal.any([signal, AbortSignal.timeout(clockMs)]);
        try {
          answer = await runtime.fetch(`${url.origin}/`, { method: "HEAD", signal: inTime });
        } catch (error) {
          const { code, message } = networkFailure(url.origin, error);
          if (code === "tls") return skipped(`${message}: see certificate`);
          return skipped("the host does not answer: see API");
        }
        const theirs = Date.parse(answer.headers.get("date") ?? "");
        if (Number.isNaN(theirs)) return skipped("the host does not say its time");
        // The host's time has whole seconds, and was taken somewhere between our two readings.
        const off = theirs + 500 - (sent + runtime.now()) / 2;
        const seconds = Math.round(Math.abs(off) / 1000);
        if (Math.abs(off) <= clockBearable) return ok(`within ${Math.max(1, seconds)} s of the host's`);
        return failed(
          `${seconds} s ${off > 0 ? "behind" : "ahead of"} the host's`,
          "set this machine's clock: while it is wrong, tokens look expired or not yet valid",
        );
      },
    },
  ];
}
