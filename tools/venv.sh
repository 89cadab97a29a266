# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# What the commands beside this need; they source it. It makes .venv and installs into that alone.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

# Debian packages, only as root; nothing that they bring may start a service.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "Missing: install the Debian packages $* (or what they are elsewhere), as root."
        return 1
    fi
    policy=/usr/sbin/policy-rc.d
    ours=
    if [ ! -e "$policy" ]; then
        ours=$policy
        trap 'rm -f $ours; exit 130' INT TERM HUP
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    say "Installing the Debian packages $*"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >&2
    status=$?
    rm -f $ours
    trap - INT TERM HUP
    return $status
}

# Print a Python that is new enough and can make a virtual environment.
find_python() {
    for candidate in "${OS_VIF_PYTHON:-python3}" python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# make_venv STAMP PIP-ARGUMENTS...: install into .venv, unless that was done for the same files.
make_venv() {
    stamp=.venv/.$1
    shift
    wanted=$(cat setup.cfg pyproject.toml test-requirements.txt | cksum)
    # What was installed for the tests is enough for all else.
    for made in "$stamp" .venv/.installed-for-tests; do
        if [ -x .venv/bin/python ] && [ "$(cat "$made" 2>/dev/null)" = "$wanted" ]; then
            return 0
        fi
    done
    python=$(find_python) || {
        install_packages python3 python3-venv || return 1
        python=$(find_python) || {
            say "Missing: Python 3.11 or newer with venv; name one by OS_VIF_PYTHON."
            return 1
        }
    }
    say "Installing into .venv (with $python)"
    "$python" -m venv .venv &&
        .venv/bin/python -m pip install -qq --disable-pip-version-check "$@" &&
        printf '%s\n' "$wanted" >"$stamp"
}
