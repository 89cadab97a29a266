#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Install what os-vif needs into .venv, and show what it does (os-vif demo).
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

command -v unshare >/dev/null || install_packages util-linux || :
make_venv installed -e .
exec .venv/bin/os-vif demo "$@"
