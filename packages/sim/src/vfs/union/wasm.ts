/** The compiled union file system: loaded at first use, never when the module is. Numbers cross the boundary; the rest lies in memory. */

/** What assembly/union.ts exports. A result below 0 is -errno. Handles are positive. */
export interface UnionExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  init(): void;
  setTime(seconds: number, nanoseconds: number): void;
  hold(node: number): void;
  letGo(node: number): void;
  shrink(mount: number): void;
  generation(): number;
  memoryEnd(): number;
  memoryUsed(): number;
  takeFreed(): number;

  layerCreate(mode: number, uid: number, gid: number): number;
  layerDestroy(layer: number): number;
  layerRoot(layer: number): number;
  layerLimit(layer: number, bytes: number): void;
  layerBytes(layer: number): number;
  entryFind(dir: number, length: number): number;
  entryAdd(dir: number, length: number, mode: number, uid: number, gid: number, rdev: number, targetLength: number): number;
  entryLink(dir: number, length: number, inode: number): number;
  entryReplace(dir: number, length: number, inode: number): number;
  entryRemove(dir: number, length: number): number;
  entryList(dir: number, skip: number): number;
  inodeStat(inode: number): void;
  inodeSet(inode: number, mode: number, uid: number, gid: number, atime: number, atimeNs: number, mtime: number, mtimeNs: number): void;
  inodeTarget(inode: number): number;
  inodeLoadData(inode: number, number: number, size: number): void;
  inodePutXattr(inode: number, length: number, valueLength: number): number;
  inodeGetXattr(inode: number, length: number): number;
  inodeDropXattr(inode: number, length: number): number;
  inodeListXattrs(inode: number): number;

  mountCreate(flavour: number, flags: number, count: number): number;
  mountDestroy(mount: number): number;
  mountRoot(mount: number): number;
  mountSetReadOnly(mount: number, readOnly: number): number;

  lookup(dir: number, length: number): number;
  walk(dir: number, length: number): number;
  nodeStat(node: number): void;
  nodeName(node: number): number;
  nodeInode(node: number, index: number): number;
  nodeBranch(node: number): number;
  readlink(node: number): number;
  readdir(dir: number, skip: number): number;
  create(dir: number, length: number, mode: number, uid: number, gid: number, rdev: number, targetLength: number): number;
  createUnnamed(dir: number, mode: number, uid: number, gid: number): number;
  link(source: number, dir: number, length: number): number;
  unlink(dir: number, length: number): number;
  rmdir(dir: number, length: number): number;
  rename(oldDir: number, oldLength: number, newDir: number, newLength: number, flags: number): number;
  copyUp(node: number, withData: number): number;
  setAttributes(node: number, mask: number, mode: number, uid: number, gid: number, atime: number, atimeNs: number, mtime: number, mtimeNs: number): number;
  touchAccessTime(node: number): void;
  dataOf(node: number): number;
  dataSharesOf(node: number): number;
  dataReplace(node: number, number: number): void;
  dataWritten(node: number, size: number): void;
  sizeAllowed(node: number, size: number): number;
  checkWritable(node: number): number;
  setXattr(node: number, length: number, valueLength: number, flags: number): number;
  getXattr(node: number, length: number): number;
  removeXattr(node: number, length: number): number;
  listXattr(node: number): number;
}

/** The part of the WebAssembly interface that is used. It is there on Node and in browsers; TypeScript's library has it with the DOM only. */
interface WebAssemblyApi {
  compile(bytes: Uint8Array): Promise<object>;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

let compiling: Promise<object> | undefined;

async function compile(): Promise<object> {
  const { UNION_WASM } = await import('./union.generated.ts');
  const text = atob(UNION_WASM);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return webAssembly().compile(bytes);
}

function webAssembly(): WebAssemblyApi {
  return (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
}

/** A fresh machine's memory. The code is compiled once. */
export async function instantiate(): Promise<UnionExports> {
  compiling ??= compile();
  const { exports } = new (webAssembly().Instance)(await compiling, {});
  const union = exports as UnionExports;
  union.init();
  return union;
}
