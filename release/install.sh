#!/bin/sh
# Installs codemie, or removes it. See --help, and docs/install.md.
#
# It needs no root, and changes nothing before it has checked what it downloaded. It is POSIX sh and runs in dash, bash and
# busybox's ash. All of it is functions until the last line: a download that is cut short runs nothing.

set -u

# The build fills these in. Without a key the release is unsigned.
built_version='@VERSION@'
built_base='@BASE_URL@'
links='@LINKS@'
key_pem='@KEY_PEM@'
key_ssh='@KEY_SSH@'
# The signature of "codemie" and a line end, by which a program shows that it can check one.
trial_raw='@TRIAL_RAW@'
trial_ssh='@TRIAL_SSH@'

usage() {
  cat <<'END'
Installs codemie into ~/.local/bin, or another folder.

usage: sh install.sh [flags]

  --version X.Y.Z   this version, not the latest
  --dir DIR         into this folder
  --uninstall       remove codemie and its other names from the folder; your logins stay
  --checksum-only   go on where nothing here can check the release's signature, or it has none: then whoever can change
                    the files of the server can give you another program
  --help            show this help

CODEMIE_INSTALL_BASE_URL  where the releases are, https only: latest/VERSION and v<version>/<file> below it
END
}

main() {
  wanted='' dir='' uninstall='' checksum_only='' tmp='' new='' ancestor='' added='' done=''
  while [ $# -gt 0 ]; do
    case $1 in
      --version | --dir)
        [ $# -gt 1 ] && [ -n "$2" ] || fail "$1 needs a value" 'see --help' 2
        if [ "$1" = --dir ]; then dir=$2; else wanted=$2; fi
        shift
        ;;
      --version=?*) wanted=${1#*=} ;;
      --dir=?*) dir=${1#*=} ;;
      --uninstall) uninstall=1 ;;
      --checksum-only) checksum_only=1 ;;
      --help | -h) usage && exit 0 ;;
      *) fail "the installer has no flag $(plain "$1")" 'see --help' 2 ;;
    esac
    shift
  done
  [ -z "$wanted" ] || is_version "$wanted" || fail 'a version is three numbers, as in 1.2.3' 'see --help' 2
  [ -n "$dir" ] || dir=${HOME:+$HOME/.local/bin}
  [ -n "$dir" ] || fail 'there is no home to install into: HOME is not set' 'give the folder: --dir DIR' 2
  case $dir in /*) ;; *) dir=$(pwd)/$dir ;; esac
  dir=${dir%/}

  if [ -n "$uninstall" ]; then
    remove_all
    return
  fi
  if [ -z "$key_pem" ] && [ -z "$checksum_only" ]; then
    fail 'this build is unsigned: nobody vouches for the program that it installs' \
      'build one with a key, or add --checksum-only if you trust the server and everybody who can change its files'
  fi
  check_base
  find_machine
  find_fetcher
  find_sums
  check_folder

  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  tmp=$(mktemp -d "${TMPDIR:-/tmp}/codemie-install.XXXXXX" 2>/dev/null) && [ -n "$tmp" ] ||
    fail "no temporary folder can be made in ${TMPDIR:-/tmp}" 'set TMPDIR to a folder that can be written'
  find_judge
  find_version
  check_sums
  get_archive
  put_in_place
}

# --- what is said

fail() { # MESSAGE HINT [EXIT CODE]
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit "${3:-1}"
}

plain() { printf %s "$1" | LC_ALL=C tr -cd ' -~' | cut -c 1-200; }

clean_up() {
  [ -z "$tmp" ] || rm -rf "$tmp"
  [ -z "$done" ] || return 0
  [ -z "$new" ] || rm -f "$new"
  for name in $added; do rm -f "$dir/$name"; done
  # Folders that were made for this go again, while they are empty.
  made=$dir
  while [ -n "$ancestor" ] && [ "$made" != "$ancestor" ] && [ "$made" != / ]; do
    rmdir "$made" 2>/dev/null || return 0
    made=$(dirname "$made")
  done
}

# --- what is asked

# grep would take a text for good if one of its lines is.
is_one_line() { [ "$(printf '%s\n' "$1" | wc -l)" -eq 1 ]; }

is_version() {
  is_one_line "$1" && printf '%s\n' "$1" | LC_ALL=C grep -Eqx '(0|[1-9][0-9]{0,8})(\.(0|[1-9][0-9]{0,8})){2}'
}

older() { # VERSION THAN
  a=$1. b=$2.
  while [ -n "$a" ]; do
    [ "${a%%.*}" -lt "${b%%.*}" ] && return 0
    [ "${a%%.*}" -gt "${b%%.*}" ] && return 1
    a=${a#*.} b=${b#*.}
  done
  return 1
}

check_base() {
  base=${CODEMIE_INSTALL_BASE_URL:-$built_base}
  base=${base%/}
  [ -n "$base" ] || fail 'nothing says where the releases are' 'set CODEMIE_INSTALL_BASE_URL to their address' 2
  if ! is_one_line "$base" || ! printf '%s\n' "$base" | LC_ALL=C grep -Eqx 'https?://[][A-Za-z0-9._~:/%+,=-]+'; then
    fail 'CODEMIE_INSTALL_BASE_URL is not a plain https address' 'give it without user, query and fragment' 2
  fi
  loopback=''
  if printf '%s\n' "$base" | LC_ALL=C grep -Eqx 'http://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]+)?(/.*)?'; then loopback=1; fi
  case $base in
    https://*) ;;
    *) [ -n "$loopback" ] || fail "$base is not encrypted" 'use https; http is for this machine alone' 2 ;;
  esac
  latest=latest of=v
  # A release page of GitHub has its files in places of its own.
  case $base in
    https://github.com/*/*/*/* | https://github.com//*) ;;
    https://github.com/*/*/releases) latest=latest/download of=download/v ;;
  esac
}

find_machine() {
  system=$(uname -s 2>/dev/null) machine=$(uname -m 2>/dev/null)
  case $machine in
    x86_64 | amd64) cpu=x64 ;;
    aarch64 | arm64) cpu=arm64 ;;
    *) cpu='' ;;
  esac
  # A 64-bit kernel may run a system of 32 bits.
  [ "$(getconf LONG_BIT 2>/dev/null)" != 32 ] || cpu=''
  case $system in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    MINGW* | MSYS* | CYGWIN*)
      fail 'this installer is not for Windows' "unpack codemie-windows-${cpu:-x64}.exe.zip of the release instead"
      ;;
    *) os='' ;;
  esac
  if [ -z "$os" ] || [ -z "$cpu" ]; then
    fail "there is no codemie for this machine ($(plain "$system $machine"))" 'there is one for Linux, macOS and Windows on x64 and arm64'
  fi
  kind=$os-$cpu
  if [ "$os" = darwin ]; then
    # A shell that Rosetta translates says x86_64.
    [ "$(sysctl -n sysctl.proc_translated 2>/dev/null)" != 1 ] || kind=darwin-arm64
    return 0
  fi
  if [ "$cpu" = x64 ] && ! grep -qw avx2 /proc/cpuinfo 2>/dev/null; then kind=$kind-baseline; fi
  if is_musl; then kind=$kind-musl; fi
}

is_musl() {
  case $(ldd --version 2>&1 </dev/null) in
    *musl*) return 0 ;;
    *GLIBC* | *"GNU libc"* | *"Free Software Foundation"*) return 1 ;;
  esac
  for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do [ ! -e "$loader" ] || return 1; done
  for loader in /lib/ld-musl-*; do [ ! -e "$loader" ] || return 0; done
  return 1
}

has() { command -v "$1" >/dev/null 2>&1; }

find_fetcher() {
  if has curl; then
    fetcher=curl
  elif has wget; then
    fetcher=wget
    case $(wget --help 2>&1 </dev/null) in *BusyBox*) fetcher=busybox ;; esac
  else
    fail 'neither curl nor wget is here' 'install one of them'
  fi
}

find_sums() {
  if has sha256sum; then
    sums=sha256sum
  elif has shasum; then
    sums='shasum -a 256'
  elif has openssl; then
    sums='openssl dgst -sha256 -r'
  else
    fail 'nothing here can compute a SHA-256 sum' 'install sha256sum, shasum or openssl'
  fi
  has tar || fail 'tar is not here' 'install it'
}

check_folder() {
  ancestor=$dir
  while [ ! -e "$ancestor" ] && [ ! -L "$ancestor" ]; do ancestor=$(dirname "$ancestor"); done
  if [ ! -d "$ancestor" ] || [ ! -w "$ancestor" ] || [ ! -x "$ancestor" ]; then
    fail "$dir cannot be written" 'choose another folder with --dir, one of your own'
  fi
  [ ! -d "$dir/codemie" ] || fail "$dir/codemie is a folder" 'move it away, or choose another folder with --dir'
  for name in $links; do
    [ ! -e "$dir/$name" ] && [ ! -L "$dir/$name" ] || is_ours "$name" ||
      fail "$dir/$name is there already, and is not a link to codemie" 'move it away, or choose another folder with --dir'
  done
}

is_ours() { # NAME OF A LINK
  [ -L "$dir/$1" ] || return 1
  case $(readlink "$dir/$1") in codemie | */codemie) return 0 ;; esac
  return 1
}

# --- the signature

# Chooses the program that checks the signature. One that does not take the trial signature, or takes it for another text, is
# too old or something else, and its verdict counts for nothing.
find_judge() {
  judge=''
  [ -n "$key_pem" ] || { warn_unchecked && return 0; }
  printf '%s\n' '-----BEGIN PUBLIC KEY-----' "$key_pem" '-----END PUBLIC KEY-----' >"$tmp/key.pem"
  printf '%s\n' "codemie namespaces=\"file\" $key_ssh" >"$tmp/signers"
  echo codemie >"$tmp/trial"
  echo other >"$tmp/other"
  printf '%s\n' "$trial_ssh" >"$tmp/trial.sshsig"
  if has openssl && printf %s "$trial_raw" | openssl base64 -d -A >"$tmp/trial.sig" 2>/dev/null &&
    by_openssl "$tmp/trial" "$tmp/trial.sig" && ! by_openssl "$tmp/other" "$tmp/trial.sig"; then
    judge=by_openssl ending=sig
  elif has ssh-keygen && by_ssh "$tmp/trial" "$tmp/trial.sshsig" && ! by_ssh "$tmp/other" "$tmp/trial.sshsig"; then
    judge=by_ssh ending=sshsig
  elif [ -z "$checksum_only" ]; then
    fail 'nothing here can check the signature of the release: neither openssl (3.0 or newer) nor ssh-keygen (8.2 or newer)' \
      'install one of them, or add --checksum-only if you trust the server and everybody who can change its files'
  else
    warn_unchecked
  fi
}

warn_unchecked() {
  # busybox does not check who answers, so nothing would be left that is checked.
  if [ "$fetcher" = busybox ] && [ -z "$loopback" ]; then
    fail "nothing checks what comes: no signature, and busybox's wget does not check certificates" 'install curl or GNU wget'
  fi
  echo 'warning: no signature is checked: whoever can change the files of the server can give you another program' >&2
}

by_openssl() { # FILE SIGNATURE
  openssl pkeyutl -verify -pubin -inkey "$tmp/key.pem" -rawin -in "$1" -sigfile "$2" >/dev/null 2>&1 </dev/null
}

by_ssh() { # FILE SIGNATURE
  ssh-keygen -Y verify -f "$tmp/signers" -I codemie -n file -s "$2" <"$1" >/dev/null 2>&1
}

# --- the downloads

fetch() { # ADDRESS BELOW THE BASE, FILE, MOST THAT IT MAY HOLD (512 BYTES EACH)
  : >"$tmp/why"
  (
    # A server may send without end. Past the limit a write fails; the signal for it (25, SIGXFSZ) would have the shell speak.
    trap '' 25
    ulimit -f "$3" 2>/dev/null
    case $fetcher in
      curl)
        if [ -n "$loopback" ]; then set -- "$1" "$2" --proto '=http' --noproxy '*'; else set -- "$1" "$2" --proto '=https' --tlsv1.2; fi
        to=$2 from=$1
        shift 2
        exec curl -fsSL --proto-redir '=https' --connect-timeout 30 --speed-time 60 --speed-limit 1 "$@" -o "$to" "$base/$from"
        ;;
      wget)
        if [ -n "$loopback" ]; then set -- "$1" "$2" --no-proxy; else set -- "$1" "$2"; fi
        to=$2 from=$1
        shift 2
        # Its redirects may leave https. With a signature that harms nothing.
        [ -n "$judge" ] || set -- "$@" --max-redirect=0
        exec wget -nv --tries=2 --timeout=60 "$@" -O "$to" "$base/$from"
        ;;
      busybox)
        # No time limit: Debian's busybox 1.35 crashes with -T.
        if [ -n "$loopback" ]; then exec wget -q -Y off -O "$2" "$base/$1"; fi
        exec wget -q -O "$2" "$base/$1"
        ;;
    esac
  ) >/dev/null 2>"$tmp/why" </dev/null && return 0
  fail "$base/$1 could not be downloaded: $(plain "$(tail -n 1 "$tmp/why" 2>/dev/null)")" \
    'check the address, your network and the space on the disk, and try again; nothing was changed' 5
}

login_page="open the address in a browser: a proxy's login page, or an error page, may stand in its place; nothing was changed"

find_version() {
  version=$wanted
  [ -z "$version" ] || return 0
  fetch "$latest/VERSION" "$tmp/VERSION" 64
  version=$(LC_ALL=C tr -d '\r\n' <"$tmp/VERSION" | LC_ALL=C cut -c 1-40)
  is_version "$version" || fail "$base/$latest/VERSION holds no version" "$login_page"
  # The number is not signed, and a server could name an old release for the latest.
  if older "$version" "$built_version"; then
    fail "the server calls $version the latest, and this installer is of $built_version: the way back has to be asked for" \
      "add --version $version if you want it; nothing was changed"
  fi
}

check_sums() {
  fetch "$of$version/SHA256SUMS" "$tmp/SHA256SUMS" 128
  first=$(head -n 1 "$tmp/SHA256SUMS" | LC_ALL=C cut -c 1-60)
  case $first in '# codemie '*) ;; *) fail "$base/$of$version/SHA256SUMS is no list of sums" "$login_page" ;; esac
  if [ -n "$judge" ]; then
    fetch "$of$version/SHA256SUMS.$ending" "$tmp/SHA256SUMS.$ending" 128
    "$judge" "$tmp/SHA256SUMS" "$tmp/SHA256SUMS.$ending" ||
      fail "the signature of $base/$of$version/SHA256SUMS is wrong" \
        'somebody changed the release, or this installer is of another publisher: tell whoever publishes it; nothing was changed'
  fi
  [ "$first" = "# codemie $version" ] ||
    fail "the server gave the sums of another version ($(plain "${first#??????????}")) for $version" \
      'tell whoever publishes it; nothing was changed'
}

get_archive() {
  file=codemie-$kind.tar.gz expected=''
  while read -r sum name; do [ "$name" != "$file" ] || expected=$sum; done <"$tmp/SHA256SUMS"
  [ -n "$expected" ] || fail "version $version has no $file" 'see what the release has, or choose another with --version'
  fetch "$of$version/$file" "$tmp/archive" 1000000
  actual=$($sums <"$tmp/archive" 2>/dev/null)
  [ "${actual%%[ *]*}" = "$expected" ] || fail "$base/$of$version/$file is not what the release holds: its SHA-256 sum is wrong" "$login_page"
}

# --- the change

put_in_place() {
  full="make room there, or choose another folder with --dir; nothing was changed"
  mkdir -p "$dir" 2>/dev/null || fail "$dir cannot be made" 'choose another folder with --dir, one of your own'
  new=$(mktemp "$dir/.codemie.XXXXXX" 2>/dev/null) || fail "$dir cannot be written" 'choose another folder with --dir, one of your own'
  { tar -xzOf "$tmp/archive" codemie >"$new" && chmod 755 "$new"; } 2>/dev/null </dev/null || fail "$dir has no room for the program" "$full"
  says=$("$new" --version 2>"$tmp/why" </dev/null)
  case $says in
    "codemie $version ("*) ;;
    *)
      fail "the program for $kind does not run here: $(plain "$(head -n 1 "$tmp/why")")" \
        'on Alpine, install libstdc++ first; in a folder that forbids programs (noexec), choose another with --dir; nothing was changed'
      ;;
  esac
  for name in $links; do
    [ "$(readlink "$dir/$name" 2>/dev/null)" = codemie ] && continue
    if [ -L "$dir/$name" ]; then rm -f "$dir/$name"; else added="$added $name"; fi
    ln -s codemie "$dir/$name" 2>/dev/null || fail "$dir/$name cannot be made" "$full"
  done
  mv -f "$new" "$dir/codemie" 2>/dev/null || fail "$dir/codemie cannot be replaced" 'choose another folder with --dir, one of your own'
  done=1

  echo "codemie $version is in $dir, with its other names: $links"
  case :${PATH:-}: in
    *":$dir:"*)
      found=$(command -v codemie 2>/dev/null)
      [ "$found" = "$dir/codemie" ] || [ -z "$found" ] || echo "another codemie comes first on PATH: $found"
      ;;
    *) echo "$dir is not on PATH: add it in the file your shell reads at its start, as in: export PATH=\"$dir:\$PATH\"" ;;
  esac
}

remove_all() {
  gone=''
  if [ -f "$dir/codemie" ] || [ -L "$dir/codemie" ]; then gone=codemie; fi
  for name in $links; do is_ours "$name" && gone="$gone $name"; done
  # The version that codemie self update replaced.
  if [ -f "$dir/.codemie.before" ]; then gone="$gone .codemie.before"; fi
  for name in $gone; do
    rm -f "$dir/$name" 2>/dev/null || fail "$dir/$name cannot be removed" 'see who owns the folder'
  done
  [ -z "$gone" ] && echo "there is no codemie in $dir" && return 0
  echo "removed from $dir: ${gone# }"
  echo "your logins and settings stay in ${CODEMIE_HOME:-~/.codemie}"
}

{ main "$@"; exit $?; }
