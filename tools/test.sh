#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Install what the tests need into .venv, and run them. Arguments go to pytest.
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

missing=
command -v ip >/dev/null || missing="$missing iproute2"
command -v sysctl >/dev/null || [ -x /usr/sbin/sysctl ] || missing="$missing procps"
command -v git >/dev/null || missing="$missing git"
# Without them a test or two is skipped, and says so.
# shellcheck disable=SC2086
[ -z "$missing" ] || install_packages $missing || :
make_venv installed-for-tests -e . -r test-requirements.txt

# An ordinary user is root in a user namespace, where there is one: most of the kernel is there.
as_root=
if [ "$(id -u)" != 0 ] && unshare --user --map-root-user true 2>/dev/null; then
    as_root="unshare --user --map-root-user --"
fi
if [ $# = 0 ]; then
    set -- -m "not interop and not soak"
fi
# shellcheck disable=SC2086
exec $as_root .venv/bin/python -m pytest "$@"
