#!/bin/busybox sh
# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0
#
# The first program in a guest. It makes the root directory, and becomes the job (guest.py).
# The root is the host's, read only below an overlay in memory; below that are Debian packages
# that the host does not have.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev

end() {
    echo "os-vif-vm: $*" >/dev/console
    echo b >/proc/sysrq-trigger
    $b sleep 60
}

while read -r module; do
    $b insmod "/modules/$module" || end "cannot load $module"
done </modules/list

options=trans=virtio,version=9p2000.L,msize=512000
for layer in host tools kernel; do
    $b mkdir -p /layers/$layer
    $b mount -t 9p -o "ro,cache=loose,$options" $layer /layers/$layer || end "no $layer"
done
$b mkdir -p /memory /root
$b mount -t tmpfs -o size=60% memory /memory
$b mkdir /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/layers/host:/layers/tools,upperdir=/memory/upper,workdir=/memory/work \
    overlay /root || end "no overlay"

version=$($b uname -r)
$b mkdir -p "/root/usr/lib/modules/$version" /root/out
$b mount --bind "/layers/kernel/usr/lib/modules/$version" "/root/usr/lib/modules/$version"
$b mount -t 9p -o "$options" out /root/out || end "no out"
for moved in proc sys dev; do
    $b mount --move /$moved /root/$moved
done
$b mount -t tmpfs -o mode=755 run /root/run
$b mkdir -p /root/run/lock /root/run/netns /root/run/tmp /root/dev/shm /root/dev/pts
$b mount -t tmpfs shm /root/dev/shm
$b mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /root/dev/pts
$b mount -t debugfs debug /root/sys/kernel/debug
$b mount -t cgroup2 cgroup /root/sys/fs/cgroup
# The kernel's own threads, which load modules, share the root of this process.
exec $b chroot /root /bin/sh /out/job
