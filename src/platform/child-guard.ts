/**
 * Waits for the end of its input, which comes when this program dies, also by SIGKILL. Then it ends the child and all
 * that the child started, since a program on PATH may be a wrapper: first gently, after 5 s with force. It looks at the
 * list of processes again and again, because a wrapper may start another one meanwhile, and because the number of a
 * process that has ended may come again. Slim images have no `ps`, macOS has no `/proc`, and busybox takes one column
 * a flag. `$1`: the child's process number, `$2`: the text when all have ended, `$3`: the text when some go on. `first` goes
 * before the first of these.
 */
const script = `trap '' HUP INT QUIT TERM PIPE
while read -r _; do :; done

processes() { # number:parent of each; what has ended and waits for its parent to ask does not count
  if [ -r /proc/self/stat ]; then
    for folder in /proc/[0-9]*; do
      { read -r line <"$folder/stat"; } 2>/dev/null || continue
      set -- \${line##*) }
      echo "\${folder#/proc/} $2 $1"
    done
  else
    ps -A -o pid= -o ppid= -o stat=
  fi | while read -r pid parent state; do
    case $state in Z*) ;; *) echo "$pid:$parent" ;; esac
  done
}

family() { # those of the given processes and their descendants that go on
  all=$(processes) kin=" $* " before=
  until [ "$before" = "$kin" ]; do
    before=$kin
    for one in $all; do
      case $kin in
        *" \${one%:*} "*) ;;
        *" \${one#*:} "*) kin="$kin\${one%:*} " ;;
      esac
    done
  done
  for one in $all; do
    case $kin in *" \${one%:*} "*) echo "\${one%:*}" ;; esac
  done
}

end() { # with signal $1, in $2 half seconds at most
  left=$2
  kill -"$1" $them 2>/dev/null
  while them=$(family $them) && [ -n "$them" ] && [ $left -gt 0 ]; do
    left=$((left - 1))
    [ "$1" = TERM ] || kill -"$1" $them 2>/dev/null
    sleep 0.5
  done
  [ -z "$them" ]
}

ended() {
  [ -z "$first" ] || printf '%s' "$first" >&2
}

them=$(family "$1")
[ -n "$them" ] || { ended; exit 0; }
if end TERM 10 || end KILL 4; then ended; printf '%s\\n' "$2" >&2; else printf '%s\\n' "$3" >&2; fi`;

/** Texts for standard error after a crash: the child was stopped, or could not be. */
export interface LastWords {
  readonly stopped: string;
  readonly goesOn: string;
  /** lines to write first once the child has ended */
  readonly first?: string;
}

/**
 * Ends a child, and all that it started, when this program crashes: they would keep asking a gateway that is gone. On
 * Windows the runtime does that.
 *
 * @param pid process number of the child
 * @param texts what the guard then says on standard error
 * @returns a function that ends the guard; call it when the child has ended
 */
export function guardChild(pid: number, texts: LastWords): () => void {
  if (process.platform === "win32") return () => undefined;
  try {
    const guard = Bun.spawn(["/bin/sh", "-c", script, "codemie", String(pid), texts.stopped, texts.goesOn], {
      env: { PATH: "/usr/bin:/bin", first: texts.first ?? "" },
      cwd: "/",
      stdio: ["pipe", "ignore", "inherit"],
      detached: true, // Ctrl-C at the terminal is not for the guard
    });
    guard.unref();
    return () => guard.kill("SIGKILL");
  } catch {
    return () => undefined; // no shell, no guard
  }
}
