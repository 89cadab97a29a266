# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Functions that demo.sh and test.sh source. They create .venv and install into .venv only.
# shellcheck shell=sh

# Without compiled files, each program that the scripts start would compile all modules again.
unset PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "$*" >&2; }

# install_packages NAMES...: install Debian packages as root, without starting services.
install_packages() {
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "Missing: install the Debian packages $* (or the packages of your distribution), as root."
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

# Print the path of a Python that is new enough and can create virtual environments.
find_python() {
    for candidate in "${OS_VIF_PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

# make_venv STAMP PIP-ARGUMENTS...: install into .venv, unless the stamp has the checksum of the
# present requirement files.
make_venv() {
    stamp=.venv/.$1
    shift
    wanted=$(cat setup.cfg pyproject.toml test-requirements.txt | cksum)
    # The installation for the tests includes all requirements.
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
    # Newer releases of tox write a file .venv with the path of their own environment.
    [ ! -f .venv ] || rm .venv
    say "Installing os-vif and its requirements into .venv (with $python): one to three minutes"
    "$python" -m venv .venv && pip_with_progress "$@" && printf '%s\n' "$wanted" >"$stamp"
}

# pip_with_progress ARGUMENTS...: run pip and show the progress: in one line on a terminal, otherwise
# a line for every 20 packages.
pip_with_progress() {
    # The pipe hides the exit status of pip, so a file stores the status.
    failed=.venv/.pip-failed
    rm -f "$failed"
    {
        .venv/bin/python -m pip install --no-color --progress-bar off \
            --disable-pip-version-check "$@" 2>&1 || echo "$?" >"$failed"
    } | progress
    [ ! -e "$failed" ]
}

# Show a short form of the output of pip, with complete errors and warnings.
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
                say "  $packages packages downloaded; installing (half a minute)"
                ;;
            "Successfully installed"*) say "  installed" ;;
        esac
    done
}

# Unpack Debian's Open vSwitch into a directory, and print the directory. The function installs no
# package, starts no service, and leaves the lists and caches of apt unchanged.
unpack_openvswitch() {
    place=$PWD/.venv/openvswitch
    if [ ! -e "$place/complete" ]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || {
            say "apt-get is missing, so Open vSwitch cannot be downloaded; the demo runs without Open vSwitch."
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
            say "Open vSwitch cannot be downloaded from Debian's archive; the demo runs without Open vSwitch."
            [ ! -s "$work/said" ] || tail -n 3 "$work/said" >&2
            return 1
        }
        for package in "$work"/archives/*.deb; do
            dpkg -x "$package" "$place" || return 1
        done
        # The installation of the package would have created the link.
        [ -e "$place/usr/sbin/ovs-vswitchd" ] ||
            ln -s ../lib/openvswitch-switch/ovs-vswitchd "$place/usr/sbin/ovs-vswitchd"
        rm -rf "$work"
        : >"$place/complete"
    fi
    printf '%s\n' "$place"
}
