#!/bin/sh
# Process 1 of the test machine until it has a root: the host's files, read-only by 9p, under a writable layer in memory.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module.ko"; done < /modules/order
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000,access=any host /lower || exec sh
mount -t tmpfs -o mode=755,size=90% tmpfs /upper
mkdir /upper/upper /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /new
mkdir -p /new/run/tsc-box-vm
mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=512000,access=any exchange /new/run/tsc-box-vm
for name in proc sys dev; do mount --move "/$name" "/new/$name"; done
exec switch_root /new /bin/sh /run/tsc-box-vm/machine.sh
