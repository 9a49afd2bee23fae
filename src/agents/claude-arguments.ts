import { flags, type OwnArguments } from "./agent.ts";

/** The command line of Claude Code 2.1.331, with flags and subcommands that its help leaves out. */
export const claudeArguments: OwnArguments = {
  subcommands: new Set(
    `agents attach auth auto-mode daemon design-login doctor gateway import install kill logs mcp plugin plugins project
    purge remote-control respawn rm setup-token stop ultrareview update upgrade`.split(/\s+/),
  ),
  flags: new Map([
    ...flags(
      "one",
      `--advisor --agent --agents --append-subagent-system-prompt --append-subagent-system-prompt-file
      --append-system-prompt --append-system-prompt-file --autocompact --debug-file --effort --environment
      --fallback-model --input-format --json-schema --managed-settings --max-budget-usd --max-thinking-tokens --max-turns
      --metadata --name -n --output-format --permission-mode --permission-prompt-tool --permission-prompts
      --plan-mode-instructions --plugin-dir --plugin-dir-no-mcp --plugin-url --prefill
      --remote-control-session-name-prefix --resume-session-at --rewind-files --session-id --setting-sources --settings
      --system-prompt --system-prompt-file --system-prompt-snapshot --task-budget --teammate-mode --thinking
      --thinking-display`,
    ),
    ...flags(
      "many",
      `--add-dir --allowedTools --allowed-tools --betas --channels --disallowedTools --disallowed-tools --file --mcp-config
      --tools`,
    ),
    ...flags(
      "optional",
      `--cloud --debug -d --from-pr --prompt-suggestions --rc --remote --remote-control -r --teleport --worktree -w`,
    ),
    ...flags(
      "none",
      `--allow-dangerously-skip-permissions --ax-screen-reader --background --bare --bg --brief --chrome --continue -c
      --dangerously-skip-permissions --debug-to-stderr -d2e --desktop --disable-slash-commands --enable-auth-status
      --enable-auto-mode --exclude-dynamic-system-prompt-sections --fork-session --forward-subagent-text --ide
      --include-hook-events --include-partial-messages --init --init-only --maintenance --no-chrome
      --no-session-persistence --print -p --replay-user-messages --restricted --safe-mode --strict-mcp-config --tmux
      --verbose -v`,
    ),
  ]),
};
