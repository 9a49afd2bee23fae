/**
 * Gets what to print first and the child's process number as its first lines, then waits for the end of its input, which comes when
 * this program dies, also by SIGKILL. Then it ends the child and all that the child started, since a program on PATH may be a wrapper:
 * first gently, after 5 s with force. It stops them all before that, because one that ends just as it starts another leaves an orphan
 * that nobody finds, and looks at the list of processes again and again, because the number of a process that has ended may come
 * again. Slim images have no `ps`, macOS has no `/proc`, and busybox takes one column a flag. `$1`: the text when all have ended, `$2`:
 * the text when some go on. The first line goes before the first of these; no argument and no variable, which the child could read,
 * has it.
 */
export const guardScript = `trap '' HUP INT QUIT TERM PIPE
read -r first
read -r child
while read -r _; do :; done
[ -n "$child" ] || exit 0

processes() { # number:parent:state of each; what has ended and waits for its parent to ask does not count
  if [ -r /proc/self/stat ]; then
    for folder in /proc/[0-9]*; do
      stat=
      { while read -r line; do stat="$stat $line"; done <"$folder/stat"; } 2>/dev/null
      set -f # a name is its program's to choose, also one of several lines, and with a star
      set -- \${stat##*) }
      set +f
      printf '%s %s %s\\n' "\${folder#/proc/}" "$2" "$1"
    done
  else
    ps -A -o pid= -o ppid= -o stat=
  fi | while read -r pid parent state; do
    case $pid:$parent in *[!0-9:]*|:*|*:) continue ;; esac
    case $state in Z*) ;; [A-Za-z]*) echo "$pid:$parent:$state" ;; esac
  done
}

family() { # those of the given processes and their descendants whose state matches $1
  state=$1 before=
  shift
  all=$(processes) kin=" $* "
  until [ "$before" = "$kin" ]; do
    before=$kin
    for one in $all; do
      parent=\${one#*:}
      case $kin in
        *" \${one%%:*} "*) ;;
        *" \${parent%:*} "*) kin="$kin\${one%%:*} " ;;
      esac
    done
  done
  for one in $all; do
    case $kin in *" \${one%%:*} "*)
      case \${one##*:} in $state) echo "\${one%%:*}" ;; esac
    esac
  done
}

freeze() { # until nobody of them moves, twice: the first time, one that has just started may not have been listed
  calm=0 tries=0
  kill -STOP $them 2>/dev/null # before the first look, which takes the longer the more they are
  while [ $calm -lt 2 ] && [ $tries -lt 20 ]; do
    tries=$((tries + 1)) moving=$(family '[!Tt]*' $them)
    if [ -n "$moving" ]; then calm=0; kill -STOP $moving 2>/dev/null; else calm=$((calm + 1)); fi
  done
  them=$(family '*' $them)
}

end() { # with signal $1, in $2 half seconds at most
  left=$2
  freeze
  kill -"$1" $them 2>/dev/null
  kill -CONT $them 2>/dev/null
  while them=$(family '*' $them) && [ -n "$them" ] && [ $left -gt 0 ]; do
    left=$((left - 1))
    [ "$1" = TERM ] || kill -"$1" $them 2>/dev/null
    sleep 0.5
  done
  [ -z "$them" ]
}

ended() {
  [ -z "$first" ] || printf '%b' "$first" >&2
}

them=$child
freeze
[ -n "$them" ] || { ended; exit 0; }
if end TERM 10 || end KILL 4; then ended; printf '%s\\n' "$1" >&2; else printf '%s\\n' "$2" >&2; fi`;

/** Texts for standard error after a crash: the child was stopped, or could not be. */
export interface LastWords {
  readonly stopped: string;
  readonly goesOn: string;
  /** lines to write first once the child has ended */
  readonly first?: string;
}

/** Ends a child when this program dies. */
export interface ChildGuard {
  /** @param pid process number of the child; call it as soon as there is one */
  watch(pid: number): void;
  /** Ends the guard; call it when the child has ended, or was not started. */
  end(): void;
}

/**
 * Starts what ends a child, and all that it started, when this program crashes: they would keep asking a gateway that is gone. It
 * runs before the child does, and needs its number as soon as there is one. On Windows the runtime does that.
 *
 * @param texts what the guard then says on standard error
 */
export function startGuard(texts: LastWords): ChildGuard {
  if (process.platform === "win32") return noGuard;
  try {
    const guard = Bun.spawn(["/bin/sh", "-c", guardScript, "codemie", texts.stopped, texts.goesOn], {
      env: { PATH: "/usr/bin:/bin" },
      cwd: "/",
      stdio: ["pipe", "ignore", "inherit"],
      detached: true, // Ctrl-C at the terminal is not for the guard
    });
    guard.unref();
    const first = (texts.first ?? "").replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
    return {
      watch: (pid) => {
        guard.stdin.write(`${first}\n${pid}\n`);
        guard.stdin.flush();
      },
      end: () => guard.kill("SIGKILL"),
    };
  } catch {
    return noGuard; // no shell
  }
}

const noGuard: ChildGuard = { watch: () => undefined, end: () => undefined };
