# Sourced: installs what a step needs, or says what is missing and how to get it.

say() { printf 'holdall: %s\n' "$*" >&2; }

# need COMMAND PACKAGE: a command, from a Debian package of that name when we are root.
need() {
    command -v "$1" >/dev/null 2>&1 && return 0
    fetch "$1" "$2"
    command -v "$1" >/dev/null 2>&1 && return 0
    missing "$1" "$2"
}

# need_file PATH PACKAGE: the same for a file that is no command.
need_file() {
    [ -e "$1" ] && return 0
    fetch "$1" "$2"
    [ -e "$1" ] && return 0
    missing "$1" "$2"
}

# fetch WHAT PACKAGE: installs a Debian package, if we may.
fetch() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 || return 0
    say "installing $2 (for $1)"
    if [ -z "${apt_is_fresh:-}" ]; then
        apt-get update -qq >/dev/null 2>&1 || true
        apt_is_fresh=1
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >/dev/null 2>&1 || true
}

missing() {
    say "$1 is missing. Install the package \`$2\` (Debian: apt-get install $2) and run this again."
    return 1
}

need_cargo() {
    command -v cargo >/dev/null 2>&1 && return 0
    say "cargo is missing. Install Rust 1.91 or newer with rustup, and run this again."
    return 1
}

need_node() {
    command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 && return 0
    say "node and npm are missing. Install Node.js 20 or newer, and run this again."
    return 1
}

# need_target TRIPLE: the standard library of a Rust target.
need_target() {
    need_cargo || return 1
    rustup target list --installed 2>/dev/null | grep -qx "$1" && return 0
    command -v rustup >/dev/null 2>&1 || { say "rustup is missing: it adds the target $1."; return 1; }
    say "adding the Rust target $1"
    rustup target add "$1" >/dev/null 2>&1 || { say "could not add the target: rustup target add $1"; return 1; }
}

# need_modules DIR: the npm packages that DIR/package-lock.json names, installed once per lock file.
need_modules() {
    need_node || return 1
    local stamp="$1/node_modules/.holdall-lock"
    cmp -s "$1/package-lock.json" "$stamp" 2>/dev/null && return 0
    say "installing the npm packages of $1"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error >/dev/null) || { say "npm ci failed in $1"; return 1; }
    cp "$1/package-lock.json" "$stamp"
}
