import { type CallbackChoice, callbackHosts, callbackIn } from "../core/host.ts";
import { parsePort } from "../core/parse.ts";
import { cliFailure } from "./failures.ts";

/**
 * @param host value of `--callback-host`, if it is given
 * @param port value of `--callback-port`, if it is given
 * @returns the members that are given
 * @throws usage error for another host than this machine, and for what is no port
 */
export function readCallback(host: string | undefined, port: string | undefined): CallbackChoice {
  const callbackHost = callbackHosts.find((one) => one === host);
  if (host !== undefined && !callbackHost) throw cliFailure.noSuch("callback-host", host, callbackHosts, "choices");
  const callbackPort = port === undefined ? undefined : parsePort(port);
  if (port !== undefined && callbackPort === undefined) throw cliFailure.badCallbackPort(port);
  return callbackIn({ callbackHost, callbackPort });
}
