/** Progress of fetching and unpacking what a container is made of. */
import type { RunRequest } from '@tsc-box/engine';

/** Images of a registry may have to be fetched and unpacked first. */
export async function progressOf({ image }: RunRequest): Promise<Pick<RunRequest, 'onBlob' | 'onProgress'>> {
  if (image === undefined || image === 'host' || /^(oci|docker-archive):/.test(image)) return {};
  const { openProgress } = await import('../report/progress.ts');
  const progress = await openProgress();
  return { onBlob: (blob) => progress.blob(blob), onProgress: (text) => (text.endsWith('pulling it') ? progress.text(text) : undefined) };
}
