/** `rmi`: docker's rules on containers that use an image. */
import { BoxError } from '@tsc-box/model';
import type { ContainerState } from '../containers/types.ts';
import type { ImageStore, RemovedNames } from '../store/index.ts';

/** A name may go while the image keeps another. @throws BoxError ERR_TSCBOX_STATE where a container needs it. */
export async function removeImage(store: ImageStore, text: string, force: boolean, containers: readonly ContainerState[]): Promise<RemovedNames> {
  const image = await store.resolve(text);
  const users = containers.filter(({ imageId }) => imageId === image.id);
  const names = (await store.list()).filter(({ id }) => id === image.id).length;
  const byId = image.id.startsWith(text) || image.id.startsWith(`sha256:${text}`);
  const running = users.find(({ status }) => status !== 'exited');
  const [user] = users;
  if (user !== undefined && (byId || names <= 1)) {
    const attempted = `remove image ${JSON.stringify(text)}`;
    if (running !== undefined) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `the container "${running.name}" runs on it`, hint: `end that first: tsc-box rm --force ${running.name}` });
    if (!force) throw new BoxError({ code: 'ERR_TSCBOX_STATE', attempted, detail: `the container "${user.name}" (${user.id.slice(0, 12)}) was made from it`, hint: `remove that first: tsc-box rm ${user.name}; or use --force` });
  }
  return store.remove(text, { force });
}
