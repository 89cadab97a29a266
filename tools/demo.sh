#!/bin/sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# Install os-vif and its requirements into .venv, and run the demonstration (os-vif demo).
set -eu
cd "$(dirname "$0")/.."
. tools/venv.sh

command -v unshare >/dev/null || install_packages util-linux || :
make_venv installed -e .

# The path of an ordinary user does not contain sbin.
PATH=$PATH:/usr/sbin:/sbin
if ! command -v ovs-vswitchd >/dev/null && switch=$(unpack_openvswitch); then
    libraries=$switch/usr/lib/$(uname -m)-linux-gnu:$switch/usr/lib
    PATH=$PATH:$switch/usr/bin:$switch/usr/sbin
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries:$switch/lib/$(uname -m)-linux-gnu
    export LD_LIBRARY_PATH
fi
export PATH
exec .venv/bin/os-vif demo "$@"
