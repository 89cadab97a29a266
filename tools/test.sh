#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Install os-vif and the requirements of the tests into .venv, and run the tests. Arguments go to pytest.
# shellcheck disable=SC2086
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

# The programs that the tests run, each with its Debian package.
missing=$(
    PATH=$PATH:/usr/sbin:/sbin:/usr/lib/cni
    while read -r program package; do
        command -v "$program" >/dev/null || echo "$package"
    done <<PROGRAMS
ip iproute2
sysctl procps
iptables-save iptables
ovs-vswitchd openvswitch-switch
openssl openssl
git git
etcd etcd-server
host-local containernetworking-plugins
jq jq
zsh zsh
fish fish
man man-db
mandoc mandoc
logrotate logrotate
visudo sudo
PROGRAMS
)
# If the installation fails, the tests that need a missing program are skipped.
[ -z "$missing" ] || install_packages $missing || :
make_venv installed-for-tests -e . -r test-requirements.txt

# The path of an ordinary user does not contain sbin.
PATH=$PATH:/usr/sbin:/sbin
export PATH
# The checks of text and source code that need no other requirements than the tests. .ci/run sets the
# variable after tox -e pep8, which has the same checks.
if [ $# = 0 ] && [ -z "${OS_VIF_CHECKED-}" ]; then
    for check in prose performance pages sources import_circles suite; do
        .venv/bin/python -W ignore -m "tools.$check"
    done
fi
pytest=".venv/bin/python -m pytest"
short="not interop and not soak"
# The tests of a file run in one worker, in their order, and each virtual machine is started once
# (tests/vm/plugin.py). While a test with the marker "alone" runs, the other workers wait
# (tests/alone.py). The ten slowest tests are listed at the end.
workers="-n ${OS_VIF_WORKERS:-3} --dist loadscope --durations=10"

# An ordinary user runs the functional tests as root of a user namespace, if the kernel permits user
# namespaces. The host's network is unreachable from the namespace, so the other tests run outside.
if [ "$(id -u)" != 0 ] && unshare --user --map-root-user --net --mount true 2>/dev/null; then
    inside="unshare --user --map-root-user --net --mount -- $pytest"
    # The module tests users without any privilege.
    ordinary=tests/functional/ovs/test_ovs_ordinary_user.py
    case "${1-}" in
        "") ;;
        tests/unit* | tests/interop* | tests/vm* | $ordinary*) exec $pytest "$@" ;;
        *) exec $inside "$@" ;;
    esac
    status=0
    began=$(date +%s)
    # Building virtual machines needs the host's network.
    OS_VIF_VM=off $inside $workers -m "$short and not vm" tests/functional || status=$?
    $pytest $workers -m "$short and not vm" tests/unit tests/interop tests/vm $ordinary || status=$?
    $pytest -m "$short and vm" || status=$?
    took=$(($(date +%s) - began))
    echo "tools/test.sh: the three parts took $((took / 60)) minutes $((took % 60)) seconds."
    exit "$status"
fi
if [ $# = 0 ]; then
    set -- -m "$short" $workers
fi
exec $pytest "$@"
