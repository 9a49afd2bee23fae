/** Commands that users of other tools type, and ours that does it. */
const ours: Readonly<Record<string, string>> = {
  "codemie auth": "codemie profile",
  "codemie switch": "codemie profile use",
  "codemie use": "codemie profile use",
  "codemie list": "codemie profile list",
  "codemie ls": "codemie profile list",
  "codemie refresh": "codemie profile refresh",
  "codemie init": "codemie setup",
  "codemie run": "codemie claude",
  "codemie ps": "codemie proxy status",
  "codemie update": "codemie self update",
  "codemie upgrade": "codemie self update",
  "codemie uninstall": "codemie self uninstall",
  "codemie proxy ls": "codemie proxy status",
  "codemie proxy list": "codemie proxy status",
  "codemie proxy logs": "codemie logs",
  "codemie sessions ls": "codemie sessions list",
  "codemie config list-profiles": "codemie profile list",
  "codemie profile current": "codemie profile show",
  "codemie profile ls": "codemie profile list",
  "codemie profile rm": "codemie profile delete",
  "codemie profile remove": "codemie profile delete",
  "codemie profile add": "codemie setup",
  "codemie profile new": "codemie setup",
  "codemie profile create": "codemie setup",
  "codemie mcp ls": "codemie mcp list",
  "codemie models ls": "codemie models list",
  "codemie audit ls": "codemie audit list",
  "codemie config ls": "codemie config list",
  "codemie config view": "codemie config list",
  "codemie config show": "codemie config list",
  "codemie config edit": "codemie config path",
  "codemie config use-context": "codemie profile use",
  "codemie config get-contexts": "codemie profile list",
  "codemie config current-context": "codemie profile show",
};

const removeServer =
  "claude mcp remove NAME takes it out of Claude Code; codemie mcp logout NAME ends its login before";

/** Commands and words of other tools that we have no command for, and the hint for each. */
const others: Readonly<Record<string, string>> = {
  "codemie mcp remove": removeServer,
  "codemie mcp rm": removeServer,
  "codemie mcp delete": removeServer,
  "codemie audit export FILE": "it prints the trail: codemie audit export > FILE",
  "codemie config set KEY=VALUE": "write the setting and its value as two words",
};

/** Flags that other tools have for the same, and ours. */
const flags: Readonly<Record<string, string>> = {
  "-n": "--last",
  "--lines": "--last",
  "--limit": "--last",
  "--tail": "--last",
  "--token": "--jwt-token",
  "--background": "--detach",
  "--daemon": "--detach",
  "-d": "--detach",
};

/**
 * @param typed a flag that the command does not have
 * @param known the flags that it has
 * @returns the one of them that does what the flag does elsewhere; undefined where there is none
 */
export function flagFor(typed: string, known: readonly string[]): string | undefined {
  const flag = Object.hasOwn(flags, typed) ? flags[typed] : undefined;
  return flag !== undefined && known.includes(flag) ? flag : undefined;
}

/**
 * @param typed a command line that is not one of ours, for example `codemie profile ls`; `codemie audit export FILE` and
 *   `codemie config set KEY=VALUE` stand for all of their kind
 * @returns the hint for it; undefined when its words are those of no other tool
 */
export function hintFor(typed: string): string | undefined {
  if (Object.hasOwn(ours, typed)) return `did you mean ${ours[typed]}`;
  return Object.hasOwn(others, typed) ? others[typed] : undefined;
}
