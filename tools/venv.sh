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
    say "Installing into .venv (with $python): with all that it needs, one to three minutes"
    "$python" -m venv .venv && pip_with_progress "$@" && printf '%s\n' "$wanted" >"$stamp"
}

# pip_with_progress ARGUMENTS...: say what pip does, in one line on a terminal, else now and then.
pip_with_progress() {
    # Where a pipe hides what pip itself returned, a file tells it.
    failed=.venv/.pip-failed
    rm -f "$failed"
    {
        .venv/bin/python -m pip install --no-color --progress-bar off \
            --disable-pip-version-check "$@" 2>&1 || echo "$?" >"$failed"
    } | progress
    [ ! -e "$failed" ]
}

# Show the lines of pip that say something, shortened; errors and warnings whole.
progress() {
    terminal=
    [ -t 2 ] && terminal=yes
    packages=0
    while IFS= read -r line; do
        case $line in
            ERROR* | error* | WARNING* | *"rror: "*) say "$line" ;;
            Collecting* | *"Requirement already satisfied"*)
                packages=$((packages + 1))
                line=${line#Collecting }
                text="  package $packages: ${line%% *}"
                if [ "$terminal" ]; then
                    printf '\r\033[K%.78s' "$text" >&2
                elif [ $((packages % 20)) = 1 ]; then
                    say "$text ..."
                fi
                ;;
            "Installing collected packages:"*)
                [ -z "$terminal" ] || printf '\r\033[K' >&2
                say "  $packages packages are there; installing them (half a minute)"
                ;;
            "Successfully installed"*) say "  installed" ;;
        esac
    done
}

# Print the directory in which Debian's Open vSwitch is unpacked, and unpack it there first: it is
# not installed, and no service is made or started. Lists and caches of apt's own stay as they are.
unpack_openvswitch() {
    place=$PWD/.venv/openvswitch
    if [ ! -e "$place/complete" ]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
            say "There is no apt to get Open vSwitch with; the demo goes on without."
            return 1
        }
        say "Unpacking Debian's Open vSwitch into .venv/openvswitch (half a minute)"
        rm -rf "$place"
        work=$place/apt
        mkdir -p "$work/lists/partial" "$work/archives/partial" || return 1
        set -- -qq -y "-oDir::State::lists=$work/lists" "-oDir::Cache::archives=$work/archives" \
            -oDir::Cache::pkgcache= -oDir::Cache::srcpkgcache= -oDebug::NoLocking=1 \
            -oAPT::Sandbox::User=
        apt-get "$@" update >&2 &&
            apt-get "$@" --no-install-recommends --download-only install \
                openvswitch-switch >"$work/said" 2>&1 || {
            say "Open vSwitch cannot be had from Debian's archive; the demo goes on without."
            [ ! -s "$work/said" ] || tail -n 3 "$work/said" >&2
            return 1
        }
        for package in "$work"/archives/*.deb; do
            dpkg -x "$package" "$place" || return 1
        done
        # What its installation would have linked.
        [ -e "$place/usr/sbin/ovs-vswitchd" ] ||
            ln -s ../lib/openvswitch-switch/ovs-vswitchd "$place/usr/sbin/ovs-vswitchd"
        rm -rf "$work"
        : >"$place/complete"
    fi
    printf '%s\n' "$place"
}
