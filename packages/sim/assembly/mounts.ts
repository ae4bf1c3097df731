/** Mounts: a stack of layers with a flavour and a root node. 1.7: what is refused at mount time. */
import {
  BRANCH_RW, BRANCH_WH, BUFFER, EINVAL, ENOSPC, FLAVOUR_AUFS, FLAVOUR_OVERLAY, FLAVOUR_PLAIN, I_NLINK, L_ROOT, L_USERS, M_BRANCHES, M_COUNT, M_FLAGS, M_FLAVOUR, M_NODES, M_ROOT, M_WHITEOUT, MOUNT_RDONLY,
  MOUNT_SIZE, N_REFS, STACK_TMP,
} from './abi.ts';
import { freeUnused } from './inodes.ts';
import { address, alloc, changed, handle, release, reserve } from './memory.ts';
import { branchLayer, dropRoot, newNode, shrinkNodes } from './nodes.ts';

const EBUSY: i32 = -16;
const ELOOP: i32 = -40;
const BRANCHES_MAX_OVERLAY: u32 = 501;
const BRANCHES_MAX_AUFS: u32 = 1023;

/** Mounts `count` branches given in the buffer as {layer handle u32, flags u32}, top first. The result is the mount's handle. */
export function mountCreate(flavour: u32, flags: u32, count: u32): i32 {
  const refused = checkBranches(flavour, count);
  if (refused < 0) return refused;
  if (!reserve()) return ENOSPC;
  const mount = alloc(MOUNT_SIZE);
  const branches = alloc(count << 3);
  store<u32>(mount + M_FLAVOUR, flavour);
  store<u32>(mount + M_FLAGS, flags);
  store<u32>(mount + M_BRANCHES, branches);
  store<u32>(mount + M_COUNT, count);
  for (let index: u32 = 0; index < count; index++) {
    const layer = address(load<i32>(BUFFER + (index << 3)));
    const permission = load<u32>(BUFFER + (index << 3) + 4);
    store<u32>(branches + (index << 3), layer);
    store<u32>(branches + (index << 3) + 4, flavour == FLAVOUR_AUFS ? permission : (permission & BRANCH_RW) | BRANCH_WH);
    store<u32>(layer + L_USERS, load<u32>(layer + L_USERS) + 1);
    // The roots always merge, whatever marks they have.
    store<u32>(STACK_TMP + (index << 2), load<u32>(layer + L_ROOT));
  }
  store<u32>(mount + M_ROOT, newNode(mount, 0, 0, 0, STACK_TMP, count));
  if (!isWritable(mount)) store<u32>(mount + M_FLAGS, flags | MOUNT_RDONLY);
  return handle(mount);
}

/** True when a branch of the mount may be written to. */
function isWritable(mount: u32): bool {
  const branches = load<u32>(mount + M_BRANCHES);
  const count = load<u32>(mount + M_COUNT);
  for (let index: u32 = 0; index < count; index++) if ((load<u32>(branches + (index << 3) + 4) & BRANCH_RW) != 0) return true;
  return false;
}

function checkBranches(flavour: u32, count: u32): i32 {
  if (count == 0 || count > (flavour == FLAVOUR_AUFS ? BRANCHES_MAX_AUFS : BRANCHES_MAX_OVERLAY)) return EINVAL;
  if (flavour == FLAVOUR_PLAIN && count != 1) return EINVAL;
  for (let index: u32 = 0; index < count; index++) {
    const writable = (load<u32>(BUFFER + (index << 3) + 4) & BRANCH_RW) != 0;
    if (flavour == FLAVOUR_OVERLAY && writable && index > 0) return EINVAL;
    // A layer twice in one mount: overlayfs says ELOOP, for lower and upper ones alike.
    for (let other: u32 = 0; other < index; other++) if (load<u32>(BUFFER + (index << 3)) == load<u32>(BUFFER + (other << 3))) return ELOOP;
  }
  return 0;
}

export function mountRoot(at: i32): i32 {
  return handle(load<u32>(address(at) + M_ROOT));
}

/** EBUSY while nodes of it are held. The layers stay. */
export function mountDestroy(at: i32): i32 {
  const mount = address(at);
  const root = load<u32>(mount + M_ROOT);
  shrinkNodes(mount);
  if (load<u32>(mount + M_NODES) != 1 || load<u32>(root + N_REFS) != 0) return EBUSY;
  dropRoot(root);
  const whiteout = load<u32>(mount + M_WHITEOUT);
  if (whiteout != 0) {
    store<u32>(whiteout + I_NLINK, load<u32>(whiteout + I_NLINK) - 1);
    freeUnused(whiteout);
  }
  const count = load<u32>(mount + M_COUNT);
  for (let index: u32 = 0; index < count; index++) {
    const layer = branchLayer(mount, index);
    store<u32>(layer + L_USERS, load<u32>(layer + L_USERS) - 1);
  }
  release(load<u32>(mount + M_BRANCHES), count << 3);
  release(mount, MOUNT_SIZE);
  changed();
  return 0;
}

/** remount,ro and remount,rw. Without a writable branch it stays read-only: EINVAL. */
export function mountSetReadOnly(at: i32, readOnly: bool): i32 {
  const mount = address(at);
  if (!readOnly && !isWritable(mount)) return EINVAL;
  const flags = load<u32>(mount + M_FLAGS) & ~MOUNT_RDONLY;
  store<u32>(mount + M_FLAGS, readOnly ? flags | MOUNT_RDONLY : flags);
  return 0;
}
