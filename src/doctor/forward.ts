import type { ForwardState } from "../audit/forward.ts";
import { printable } from "../core/text.ts";
import { type Finding, ok, warning } from "./check.ts";

/**
 * @param to the receiver of the audit trail, as the configuration has it
 * @returns how far it is, and what keeps it from the rest
 */
export function forwardFinding(to: string, { last, waiting, trouble, refused }: ForwardState): Finding {
  const far = waiting === 0 ? `all up to line ${last}` : `up to line ${last}, ${waiting} to go`;
  const said = `${printable(to, 120)} has ${last === 0 ? `nothing yet, ${waiting} to go` : far}`;
  const more = refused ? `; it will never take ${refused.lines}: ${refused.why}` : "";
  if (trouble)
    return warning(`${said}: ${trouble.why}${more}`, "nothing is lost: the lines go there once it takes them");
  if (refused) return warning(`${said}${more}`, "codemie audit export has those lines too");
  return ok(said);
}
