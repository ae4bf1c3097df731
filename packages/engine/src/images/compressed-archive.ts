/** Docker archives that were compressed as a whole. */
import { open } from 'node:fs/promises';
import { decompress } from './decompress.ts';
import { openRegular, streamRange } from './file-range.ts';

/** False also where there is no such file: whoever reads it says so. */
export async function isCompressed(path: string): Promise<boolean> {
  const opened = await openRegular(path);
  if (opened === undefined) return false;
  try {
    const head = new Uint8Array(4);
    await opened.file.read(head, 0, 4, 0);
    const magic = Buffer.from(head).toString('hex');
    return magic.startsWith('1f8b') || magic === '28b52ffd' || magic.startsWith('425a68') || magic === 'fd377a58';
  } finally {
    await opened.file.close();
  }
}

/** Path of the plain archive in `directory`. */
export async function decompressedCopy(path: string, directory: string): Promise<string> {
  const target = `${directory}/archive.tar`;
  const file = await open(target, 'wx', 0o600);
  try {
    for await (const chunk of decompress(streamRange({ path, start: 0 }))) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
  return target;
}
