#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# The path of an author of a plugin, in a fresh environment: os-vif new-plugin, the checks and tests of
# the package, and a plug with it. As root; the plug is in a network namespace of its own.
#
#     tools/author_path.sh DIRECTORY [NAME]
#
# DIRECTORY is created. NAME is the name of the plugin; by default "example".
set -eu
checkout=$(cd "$(dirname "$0")/.." && pwd)
directory=${1:?usage: tools/author_path.sh DIRECTORY [NAME]}
name=${2:-example}

[ "$(id -u)" = 0 ] || {
    echo "tools/author_path.sh plugs a VIF: run it as root." >&2
    exit 2
}
mkdir "$directory"
cd "$directory"
# A copy, because pip and setuptools write into the source tree.
mkdir os-vif-source
(cd "$checkout" && tar -cf - --exclude=.venv --exclude=.tox --exclude=.git --exclude=build .) |
    tar -xf - -C os-vif-source
"${OS_VIF_PYTHON:-python3}" -m venv venv
PATH=$PWD/venv/bin:$PATH
pip install --quiet --disable-pip-version-check ./os-vif-source

os-vif new-plugin "$name"
cd "os-vif-$(echo "$name" | tr _ -)"
pip install --quiet --disable-pip-version-check -e '.[test]'
ruff check
ruff format --check
mypy
python -m pytest -q -p no:cacheprovider
# A new mount of /run has an empty state directory, and the host's /run is not written.
unshare --net --mount sh -euc '
    mount -t tmpfs none /run
    os-vif plan examples/vif.json
    os-vif plug examples/vif.json
    os-vif check examples/vif.json
    ip -brief link show tap11111111-22
    os-vif unplug examples/vif.json
    if ip -brief link show tap11111111-22 2>/dev/null; then exit 1; fi
'
echo "The plugin $name is complete: $PWD"
