/** Block devices. Source: cgroup-v2.rst "IO Interface Files"; cgroup-v1/blkio-controller.rst. */
import type { SpecBlockIo, ThrottleDevice } from '../spec/spec.ts';
import type { CgroupWrite, HierarchyVersion } from './write.ts';

const THROTTLES = [
  ['throttleReadBpsDevice', 'blkio.throttle.read_bps_device', 'rbps', 'limit bytes read a second'],
  ['throttleWriteBpsDevice', 'blkio.throttle.write_bps_device', 'wbps', 'limit bytes written a second'],
  ['throttleReadIOPSDevice', 'blkio.throttle.read_iops_device', 'riops', 'limit reads a second'],
  ['throttleWriteIOPSDevice', 'blkio.throttle.write_iops_device', 'wiops', 'limit writes a second'],
] as const;

/** blkio weight (10 to 1000) as io.weight (1 to 10000), linear. */
export function blkioToIoWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

export function blockIoWrites(io: SpecBlockIo, version: HierarchyVersion): readonly CgroupWrite[] {
  const controller = version === 1 ? 'blkio' : 'io';
  const writes: CgroupWrite[] = [];
  if (io.weight !== undefined && io.weight !== 0) {
    const why = 'share of disk time';
    writes.push(
      version === 1
        ? { controller, file: 'blkio.weight', data: String(io.weight), why, orElse: { file: 'blkio.bfq.weight', data: String(io.weight) } }
        : { controller, file: 'io.bfq.weight', data: String(io.weight), why, orElse: { file: 'io.weight', data: String(blkioToIoWeight(io.weight)) } },
    );
  }
  if (version === 1 && io.leafWeight !== undefined && io.leafWeight !== 0) writes.push({ controller, file: 'blkio.leaf_weight', data: String(io.leafWeight), why: 'share of disk time against its own children' });
  for (const device of io.weightDevice ?? []) {
    const id = `${String(device.major)}:${String(device.minor)}`;
    const why = 'share of the time of one disk';
    if (device.weight !== undefined) {
      const data = `${id} ${String(device.weight)}`;
      writes.push(version === 1 ? { controller, file: 'blkio.weight_device', data, why, orElse: { file: 'blkio.bfq.weight_device', data } } : { controller, file: 'io.bfq.weight', data, why });
    }
    if (version === 1 && device.leafWeight !== undefined) writes.push({ controller, file: 'blkio.leaf_weight_device', data: `${id} ${String(device.leafWeight)}`, why });
  }
  for (const [field, file, key, why] of THROTTLES) {
    const devices: readonly ThrottleDevice[] = io[field] ?? [];
    for (const { major, minor, rate } of devices) {
      const id = `${String(major)}:${String(minor)}`;
      writes.push(version === 1 ? { controller, file, data: `${id} ${String(rate)}`, why } : { controller, file: 'io.max', data: `${id} ${key}=${rate === 0 ? 'max' : String(rate)}`, why });
    }
  }
  return writes;
}
