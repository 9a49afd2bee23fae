import { nearest } from "../../core/text.ts";
import { type Cli, command } from "../frame/command.ts";
import { programSummaries } from "./agent/agents.ts";
import { commandFailure } from "./failures.ts";

/** Every script asks the program itself what may come next, so a new command needs no new script. */
const scripts = {
  bash: (names: readonly string[]) => `# codemie completion for bash
_codemie() {
  local program="\${COMP_WORDS[0]##*/}" word
  local -a typed=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  [[ $program == codemie-* ]] && typed=("\${program#codemie-}" "\${typed[@]}")
  COMPREPLY=()
  while IFS=$'\\t' read -r word _; do
    COMPREPLY+=("$word")
  done < <(command codemie __complete "\${typed[@]}" 2>/dev/null)
}
complete -o bashdefault -o default -F _codemie ${names.join(" ")}
`,
  zsh: (names: readonly string[]) => `#compdef ${names.join(" ")}
# codemie completion for zsh
_codemie() {
  local program="\${words[1]:t}" word about
  local -a typed found
  typed=("\${(@)words[2,CURRENT]}")
  [[ $program == codemie-* ]] && typed=("\${program#codemie-}" "\${typed[@]}")
  while IFS=$'\\t' read -r word about; do
    found+=("\${word//:/\\\\:}:$about")
  done < <(command codemie __complete "\${typed[@]}" 2>/dev/null)
  if (( \${#found} )); then _describe codemie found; else _files; fi
}
compdef _codemie ${names.join(" ")}
`,
  fish: (names: readonly string[]) => `# codemie completion for fish
function __codemie_complete
    set -l words (commandline -opc)
    set -l program (string replace -r '.*/' '' -- $words[1])
    set -e words[1]
    string match -q 'codemie-*' -- $program; and set words (string replace codemie- '' -- $program) $words
    command codemie __complete $words (commandline -ct) 2>/dev/null
end
${names.map((name) => `complete -c ${name} -f -k -a '(__codemie_complete)'\ncomplete -c ${name} -F -n 'test (count (__codemie_complete)) -eq 0'`).join("\n")}
`,
  powershell: (names: readonly string[]) => `# codemie completion for PowerShell
Register-ArgumentCompleter -Native -CommandName ${names.join(", ")} -ScriptBlock {
    param($typed, $line, $cursor)
    $words = @($line.CommandElements | ForEach-Object { $_.ToString() })
    $program = [IO.Path]::GetFileNameWithoutExtension($words[0])
    $before = @($words | Select-Object -Skip 1)
    if ($typed -ne '' -and $before.Count -gt 0) { $before = @($before | Select-Object -SkipLast 1) }
    if ($program -like 'codemie-*') { $before = @($program.Substring(8)) + $before }
    & codemie __complete @before "$typed" 2>$null | ForEach-Object {
        $word, $about = $_ -split "\`t", 2
        if (-not $about) { $about = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
}
`,
} as const satisfies Record<string, (names: readonly string[]) => string>;

/** Shells that have a completion script. */
export const shells = Object.keys(scripts) as (keyof typeof scripts)[];

/** `codemie completion SHELL`. */
export const completion = (cli: Cli) =>
  command({
    meta: { name: "completion", description: "Print a script that lets your shell complete commands" },
    examples: [
      'eval "$(codemie completion bash)"         # in ~/.bashrc',
      'eval "$(codemie completion zsh)"          # in ~/.zshrc, after compinit',
      "codemie completion fish | source          # in ~/.config/fish/config.fish",
      "codemie completion powershell | Out-String | Invoke-Expression",
    ],
    args: { shell: { type: "positional", required: true, description: `the shell: ${shells.join(", ")}` } },
    async run({ args }) {
      const shell = shells.find((known) => known === args.shell);
      if (!shell) throw commandFailure.noCompletion(args.shell, shells, nearest(args.shell, shells));
      const names = ["codemie", ...Object.keys(programSummaries).map((name) => `codemie-${name}`)];
      const script = scripts[shell](names);
      if (cli.output.json) cli.output.result({ shell, script }, () => []);
      else cli.runtime.terminal.out(script);
    },
  });
