/** The configuration of an image: OCI image-spec 1.1 config.md; docker's archives use the same form. */
import { BoxError, SpecError } from '../errors/box-error.ts';
import { anything, boolean, list, object, record, string, text, type Check } from './check.ts';

export interface ImageRunConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
}

export interface ImageHistory {
  readonly created?: string;
  readonly author?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant?: string;
  readonly config?: ImageRunConfig;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history?: readonly ImageHistory[];
}

const strings: Check<readonly string[]> = list(string);

const shape = object<ImageConfig>({
  created: string, author: string, architecture: text, os: text, variant: string,
  config: object<ImageRunConfig>({
    User: string, ExposedPorts: record(anything), Env: strings, Entrypoint: strings, Cmd: strings, Volumes: record(anything), WorkingDir: string, Labels: record(string), StopSignal: string,
  }),
  rootfs: object<ImageConfig['rootfs']>({ type: text, diff_ids: list(text) }, ['type', 'diff_ids']),
  history: list(object<ImageHistory>({ created: string, author: string, created_by: string, comment: string, empty_layer: boolean })),
}, ['architecture', 'os', 'rootfs']);

/**
 * `value` is the parsed JSON of the configuration blob.
 * @throws BoxError ERR_TSCBOX_IMAGE_INVALID with the path of the wrong field.
 */
export function parseImageConfig(value: unknown): ImageConfig {
  try {
    return shape(value, '');
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read the image configuration: ${error.pointer}`, detail: error.detail, cause: error });
  }
}
