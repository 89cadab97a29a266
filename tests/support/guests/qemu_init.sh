#!/bin/busybox sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# The first program in a guest that a test starts (qemu.py): a shell on its second serial port.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev

while read -r module; do
    insmod "/modules/$module" || echo "cannot load $module"
done </modules/list
# Each card answers for its own addresses alone, so that each path is tried by itself.
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
ip link set dev lo up

stty raw -echo -F /dev/ttyS1
exec </dev/ttyS1 >/dev/ttyS1
echo "status 0"
while read -r command; do
    eval "$command" 2>&1
    echo "status $?"
done
