#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Install what the tests need into .venv, and run them. Arguments go to pytest.
# shellcheck disable=SC2086
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

missing=
command -v ip >/dev/null || missing="$missing iproute2"
command -v sysctl >/dev/null || [ -x /usr/sbin/sysctl ] || missing="$missing procps"
PATH="$PATH:/usr/sbin:/sbin" command -v iptables-save >/dev/null || missing="$missing iptables"
PATH="$PATH:/usr/sbin:/sbin" command -v ovs-vswitchd >/dev/null || missing="$missing openvswitch-switch"
command -v git >/dev/null || missing="$missing git"
command -v etcd >/dev/null || missing="$missing etcd-server"
# Without them a test or two is skipped, and says so.
[ -z "$missing" ] || install_packages $missing || :
make_venv installed-for-tests -e . -r test-requirements.txt

# An ordinary user has no sbin on the path.
PATH=$PATH:/usr/sbin:/sbin
export PATH
pytest=".venv/bin/python -m pytest"
short="not interop and not soak"

# An ordinary user is root in a user namespace, where there is one: most of the kernel is there.
# From there the way back to the host's network is barred, so the other tests run outside.
if [ "$(id -u)" != 0 ] && unshare --user --map-root-user --net --mount true 2>/dev/null; then
    inside="unshare --user --map-root-user --net --mount -- $pytest"
    # It is about who is not even that.
    ordinary=tests/functional/test_ovs_ordinary_user.py
    case "${1-}" in
        "") ;;
        tests/unit* | tests/interop* | tests/vm* | $ordinary*) exec $pytest "$@" ;;
        *) exec $inside "$@" ;;
    esac
    status=0
    # Virtual machines are made with what the host's network reaches.
    OS_VIF_VM=off $inside -m "$short and not vm" tests/functional || status=$?
    $pytest -m "$short and not vm" tests/unit tests/interop tests/vm $ordinary || status=$?
    $pytest -m "$short and vm" || status=$?
    exit "$status"
fi
if [ $# = 0 ]; then
    # A file is run by one worker, and each virtual machine is started once (tests/vm/plugin.py).
    # By default all of this machine runs in one process; OS_VIF_WORKERS=2 takes two workers.
    set -- -m "$short" -n "${OS_VIF_WORKERS:-0}" --dist loadscope --durations=10
fi
exec $pytest "$@"
