# Sourced by scripts: puts pinned tools from public registries into the user's cache folder, once.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/llm-api

# say TEXT...: progress goes to standard error, so that standard output stays the script's own.
say() { printf '%s\n' "$*" >&2; }

# once DIR PINS COMMAND...: runs the command unless DIR was already made with the same PINS; one process at a time.
once() {
  local dir=$1 pins=$2
  shift 2
  mkdir -p "$dir"
  (
    flock 9
    if [[ -f $dir/.pins && $(<"$dir/.pins") == "$pins" ]]; then exit 0; fi
    say "installing into $dir"
    rm -f "$dir/.pins"
    "$@" >&2
    printf '%s\n' "$pins" >"$dir/.pins"
  ) 9>"$dir.lock"
}

# venv DIR PIN...: a Python environment with exactly these packages and what they need.
venv() {
  local dir=$1
  shift
  once "$dir" "$*" pip_install "$dir" "" "$@"
}

# venv_only DIR PIN...: the same without what the packages would pull in.
venv_only() {
  local dir=$1
  shift
  once "$dir" "$*" pip_install "$dir" --no-deps "$@"
}

pip_install() {
  local dir=$1 flags=$2
  shift 2
  python3 -m venv --clear "$dir" || { say "python3 with its venv module is needed: apt-get install -y python3-venv"; return 1; }
  # shellcheck disable=SC2086 # one flag or none
  "$dir/bin/pip" install --quiet --disable-pip-version-check $flags "$@"
}
