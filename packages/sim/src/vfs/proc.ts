/** proc: proc(5). The processes are those of the pid namespace of whoever mounted it. */
import { EINVAL, EPERM } from '../abi/errno.ts';
import { SECOND, wallTime } from '../det/clock.ts';
import { CAP_SYS_ADMIN, capable, LAST_CAPABILITY, type UserNamespace } from '../kernel/cred.ts';
import { findTask, numberIn, type PidNamespace } from '../kernel/pidns.ts';
import type { Kernel, Task } from '../kernel/types.ts';
import type { FileSystem } from './filesystem.ts';
import { createPseudo, fixed, textFile, type PseudoNode } from './pseudo.ts';
import { taskDirectory } from './proc-task.ts';

const PROC_SUPER_MAGIC = 0x9fa0;

function meminfo({ kernel }: Task): string {
  const used = [...kernel.tasks].reduce((sum, { memory }) => sum + memory, 0);
  const row = (name: string, bytes: number): string => `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`;
  const free = kernel.machine.memory - used;
  return row('MemTotal', kernel.machine.memory) + row('MemFree', free) + row('MemAvailable', free) + row('Buffers', 0) + row('Cached', 0) + row('SwapCached', 0) + row('AnonPages', used) + row('SwapTotal', 0) + row('SwapFree', 0);
}

function cpuinfo({ kernel }: Task): string {
  return Array.from({ length: kernel.machine.cpus }, (_unused, cpu) => `processor\t: ${String(cpu)}\nmodel name\t: tsc-box simulated CPU\n\n`).join('');
}

function statText(task: Task): string {
  const { kernel } = task;
  const cpu = Math.floor(([...kernel.tasks].reduce((sum, { cpuTime }) => sum + cpuTime, 0) * 100) / SECOND);
  const row = ` ${String(cpu)} 0 0 0 0 0 0 0 0 0\n`;
  const each = Array.from({ length: kernel.machine.cpus }, (_unused, index) => `cpu${String(index)}${row}`).join('');
  return `cpu ${row}${each}btime ${String(wallTime(kernel.clock).seconds - Math.floor(kernel.clock.now / SECOND))}\nprocesses ${String(task.kernel.tasks.size)}\n`;
}

function uptime({ kernel, ns }: Task): string {
  const seconds = ((kernel.clock.now + ns.time.boottime) / SECOND).toFixed(2);
  return `${seconds} ${seconds}\n`;
}

/** Of the uts namespace of who looks: no sysctl of the machine. */
function utsFile(key: 'nodename' | 'domainname'): PseudoNode {
  return textFile((task) => `${task.ns.uts[key]}\n`, (text, task) => {
    if (!capable(task.cred, CAP_SYS_ADMIN, task.ns.uts.owner)) return -EPERM;
    task.ns.uts[key] = text.replace(/\n$/, '').slice(0, 64);
    return 0;
  });
}

/** Sysctls of a network namespace: name and what it is at first. */
const NET_SYSCTLS: Readonly<Record<string, string>> = { 'ipv4/ip_forward': '0', 'ipv4/ip_unprivileged_port_start': '1024', 'ipv4/ping_group_range': '1\t0', 'ipv4/tcp_syncookies': '1', 'core/somaxconn': '4096', 'ipv4/ip_local_port_range': '32768\t60999' };

function netSysctl(key: string, first: string): PseudoNode {
  return textFile((task) => `${task.ns.net.sysctls.get(key) ?? first}\n`, (text, task) => {
    if (!capable(task.cred, CAP_SYS_ADMIN, task.ns.net.owner)) return -EPERM;
    if (!/^\d+([ \t]+\d+)*\n?$/.test(text)) return -EINVAL;
    task.ns.net.sysctls.set(key, text.trim());
    return 0;
  });
}

function netTree(): PseudoNode {
  const groups: Record<string, Record<string, PseudoNode>> = {};
  for (const [key, first] of Object.entries(NET_SYSCTLS)) {
    const [group = '', name = ''] = key.split('/');
    (groups[group] ??= {})[name] = netSysctl(key, first);
  }
  return fixed(Object.fromEntries(Object.entries(groups).map(([name, files]) => [name, fixed(files)])));
}

/** Of the whole machine: shared by all containers, as no namespace covers them. */
function machineSysctl(values: Map<string, string>, key: string): PseudoNode {
  return textFile(() => `${values.get(key) ?? ''}\n`, (text, task) => {
    if (!capable(task.cred, CAP_SYS_ADMIN, task.kernel.initialUser)) return -EPERM;
    values.set(key, text.trim());
    return 0;
  });
}

function sysTree(kernel: Kernel): PseudoNode {
  const values = new Map([['kernel/pid_max', '4194304'], ['kernel/printk', '7\t4\t1\t7'], ['vm/overcommit_memory', '0'], ['vm/swappiness', '60'], ['vm/max_map_count', '65530'], ['fs/file-max', '9223372036854775807'], ['fs/nr_open', '1048576']]);
  const own = (prefix: string): Record<string, PseudoNode> => Object.fromEntries([...values.keys()].filter((key) => key.startsWith(`${prefix}/`)).map((key) => [key.slice(prefix.length + 1), machineSysctl(values, key)]));
  return fixed({
    fs: fixed(own('fs')),
    kernel: fixed({
      ...own('kernel'), hostname: utsFile('nodename'), domainname: utsFile('domainname'), osrelease: textFile(() => `${kernel.machine.release}\n`), ostype: textFile(() => 'Linux\n'),
      cap_last_cap: textFile(() => `${String(LAST_CAPABILITY)}\n`), overflowuid: textFile(() => '65534\n'), overflowgid: textFile(() => '65534\n'),
    }),
    net: netTree(),
    user: fixed({ max_user_namespaces: textFile(() => '65536\n') }),
    vm: fixed(own('vm')),
  });
}

const FILESYSTEMS = ['sysfs', 'tmpfs', 'proc', 'cgroup', 'cgroup2', 'devpts', 'mqueue', 'overlay'];

export function createProc(kernel: Kernel, pids: PidNamespace, owner: UserNamespace, source: string, options: string): FileSystem {
  const self = (suffix: string): PseudoNode => ({ kind: 'link', target: (task) => `${String(numberIn(task.pid, pids))}${suffix}` });
  const root: Readonly<Record<string, PseudoNode>> = {
    cmdline: textFile(() => 'tsc-box-sim\n'), cpuinfo: textFile(cpuinfo), filesystems: textFile(() => FILESYSTEMS.map((name) => `nodev\t${name}\n`).join('')), interrupts: textFile(() => ''), kcore: { kind: 'file', mode: 0o400, read: () => -EPERM },
    keys: textFile(() => ''), 'latency_stats': textFile(() => ''), loadavg: textFile((task) => `0.00 0.00 0.00 1/${String(task.kernel.tasks.size)} ${String(pids.last)}\n`), meminfo: textFile(meminfo), mounts: { kind: 'link', target: () => 'self/mounts' },
    self: self(''), stat: textFile(statText), sys: sysTree(kernel), 'sysrq-trigger': { kind: 'file', mode: 0o200, write: () => -EPERM }, 'timer_list': { kind: 'file', mode: 0o400, read: () => '' }, uptime: textFile(uptime),
    version: textFile(() => `Linux version ${kernel.machine.release} (tsc-box simulated kernel)\n`),
    bus: fixed({}), fs: fixed({}), irq: fixed({}), acpi: fixed({}), scsi: fixed({}),
  };
  const names = Object.keys(root);
  return createPseudo(kernel, {
    type: 'proc', magic: PROC_SUPER_MAGIC, source, options, owner,
    root: {
      kind: 'directory',
      list: () => [...names, ...[...pids.numbers].filter(([, pid]) => pid.task !== undefined).map(([number]) => String(number))],
      child(name) {
        if (Object.hasOwn(root, name)) return root[name];
        const task = /^[1-9]\d*$/.test(name) ? findTask(pids, Number(name)) : undefined;
        return task === undefined ? undefined : taskDirectory(task, pids);
      },
    },
  });
}
