# Process 1 of the test machine once it has a root: mounts what a machine has, sets the cgroups up, runs the command.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/tmp/home TERM=xterm LANG=C.UTF-8
exchange=/run/tsc-box-vm
argument() { for word in $(cat /proc/cmdline); do case $word in "$1"=*) echo "${word#*=}";; esac; done; }

mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t mqueue mqueue /dev/mqueue
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
# The root is an overlay, on which no other can lie: containers and what tests make get directories of the disk.
# The directory of the command is seen through them: it may be below one.
checkout=$(cat "$exchange/cwd")
mkdir -p /run/tsc-box-vm-checkout /var/lib/tsc-box /var/lib/containers /mnt
mount --bind "$checkout" /run/tsc-box-vm-checkout
mount -t ext4 /dev/vda /mnt
for place in /tmp /var/tmp /var/lib/tsc-box /var/lib/containers; do
  mkdir -p "/mnt$place"
  mount --bind "/mnt$place" "$place"
done
chmod 1777 /tmp /var/tmp
umount /mnt
mkdir -p "$checkout" /var/tmp/home
[ "$checkout" = / ] || mount --bind /run/tsc-box-vm-checkout "$checkout"
mkdir -p /lib/modules

v1() {
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  for controllers in cpuset cpu,cpuacct blkio memory devices freezer net_cls,net_prio perf_event hugetlb pids rdma; do
    mkdir "/sys/fs/cgroup/$controllers"
    mount -t cgroup -o "$controllers" cgroup "/sys/fs/cgroup/$controllers" 2>/dev/null || rmdir "/sys/fs/cgroup/$controllers"
  done
  for pair in cpu:cpu,cpuacct cpuacct:cpu,cpuacct net_cls:net_cls,net_prio net_prio:net_cls,net_prio; do ln -s "${pair#*:}" "/sys/fs/cgroup/${pair%%:*}"; done
  mkdir /sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
}

# No process may stay in the root cgroup, or it could not give its controllers on: cgroups(7), "no internal processes".
v2() {
  mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
  mkdir /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do echo "$pid" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null; done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control; done
}

"$(argument tsc_box_cgroup)"
ip link set lo up 2>/dev/null
hostname vm
echo 1 > /proc/sys/kernel/printk
ulimit -n 1048576
setsid -c sh "$exchange/command.sh" < /dev/ttyS0 > /dev/ttyS0 2>&1
echo $? > "$exchange/status"
sync
echo o > /proc/sysrq-trigger
while :; do :; done
