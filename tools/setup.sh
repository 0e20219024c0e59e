# Shared by quickstart and runtests: what a bare Debian 12 lacks. Sourced by bash, from the top of
# the checkout. Says what it does; installs nothing that is there already.

say() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 69; }

# need_packages NAME...: installs what is missing with apt-get, as root or through sudo.
need_packages() {
    local missing=() p
    for p in "$@"; do
        dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
    done
    [ ${#missing[@]} -eq 0 ] && return
    local command=(apt-get install -y --no-install-recommends "${missing[@]}") as=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            as=(sudo)
        else
            die "these packages are missing and this user may not install them. Run:
    sudo apt-get update && sudo ${command[*]}"
        fi
    fi
    say "installing ${missing[*]}"
    "${as[@]}" apt-get update -qq || die "apt-get update failed"
    "${as[@]}" env DEBIAN_FRONTEND=noninteractive "${command[@]}" -qq >/dev/null \
        || die "apt-get could not install: ${missing[*]}"
}

# need_venv FOLDER REQUIREMENTS: a private virtual environment with exactly those packages, which name
# everything they need themselves.
need_venv() {
    local stamp="$1/.$(sha256sum "$2" | cut -c1-16)"
    [ -e "$stamp" ] && return
    say "Python packages of $2 into $1"
    python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check --no-deps -r "$2" \
        || die "pip could not install $2"
    touch "$stamp"
}

# need_build FOLDER MESON-OPTION...: configures once and compiles.
need_build() {
    local dir=$1
    shift
    if [ ! -e "$dir/build.ninja" ]; then
        meson setup "$dir" "$@" >"$dir.setup.log" 2>&1 || { cat "$dir.setup.log"; die "meson setup $dir failed"; }
    fi
    ninja -C "$dir" >"$dir.build.log" 2>&1 || { tail -40 "$dir.build.log"; die "building $dir failed"; }
}

BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkg-config libxml2-dev libjansson-dev libicu-dev
    libyaml-dev zlib1g-dev libzstd-dev libbrotli-dev libssl-dev librdkafka-dev libsystemd-dev libmicrohttpd-dev
    libcurl4-openssl-dev libpcre2-dev python3 python3-venv ca-certificates unzip)
