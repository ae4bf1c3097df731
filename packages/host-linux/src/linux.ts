/** `openLinux`: containers on this machine's own kernel. */
import { closeSync } from 'node:fs';
import { UnsupportedError, type Facts, type System } from '@tsc-box/model';
import { containerCgroup } from './cgroup/container.ts';
import { openCgroup } from './cgroup/manage.ts';
import { processesBeside } from './cgroup/processes.ts';
import { sendDescriptor } from './ffi/descriptors.unsafe.ts';
import { probeFacts } from './facts/probe.ts';
import { resizeTerminal } from './ffi/descriptors.unsafe.ts';
import { readFileInLayers, statInLayers } from './layers/lookup.ts';
import { diffUpper } from './layers/upper.ts';
import { launchMonitored } from './launch/launch-monitored.ts';
import { startHeld } from './launch/hold.ts';
import { launch, launchAndWait } from './launch/launch.ts';
import { endMonitoredStdin, openMonitored } from './launch/open-monitored.ts';
import { isRunning, killExactly, signalExactly } from './launch/process-identity.ts';

/** @throws UnsupportedError on other systems than Linux. Nothing is probed or loaded before it is needed. */
export function openLinux(): System {
  if (process.platform !== 'linux') throw new UnsupportedError({ attempted: 'run containers on this kernel', detail: `found ${process.platform}, supported: linux` });
  let known: Facts | undefined;
  const facts = (): Facts => (known ??= probeFacts());
  return {
    name: 'linux',
    facts,
    launch(request) {
      if (request.monitor !== undefined && request.hold !== undefined) throw new UnsupportedError({ attempted: 'launch a process that is held and has a monitor', detail: 'the two can not be had together' });
      if (request.monitor !== undefined) return launchMonitored(request, facts());
      return launch(request, facts());
    },
    launchAndWait: (request, timeoutMs) => launchAndWait(request, facts(), timeoutMs),
    passTerminal(socketPath, terminal) {
      try {
        sendDescriptor(socketPath, terminal, '/dev/ptmx');
      } finally {
        closeSync(terminal);
      }
    },
    start: (held, plan) => startHeld(held, plan, facts()),
    openMonitored,
    endMonitoredStdin,
    signal: signalExactly,
    resizeTerminal,
    processesBeside,
    cgroup: (path) => containerCgroup(facts(), path),
    isAlive: isRunning,
    sweep(cgroupPath, pid, startTime) {
      if (pid !== undefined && startTime !== undefined) killExactly(pid, startTime);
      if (cgroupPath === undefined) return;
      const cgroup = openCgroup(facts(), cgroupPath);
      cgroup.kill();
      cgroup.remove();
    },
    readLayerFile: (lowerdirs, path, bytesMax) => readFileInLayers(lowerdirs, path, bytesMax),
    statLayerFile: (lowerdirs, path) => statInLayers(lowerdirs, path),
    diffLayers: (upperdir, lowerdirs) => diffUpper(upperdir, lowerdirs),
    async archiver() {
      const { createArchiver } = await import('./layers/archiver.ts');
      return createArchiver(facts);
    },
    async extractor() {
      const { createExtractor } = await import('./layers/extract.ts');
      return createExtractor();
    },
  };
}
