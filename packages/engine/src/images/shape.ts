/** JSON of images, read with the place of what is wrong in the error. */
import { BoxError } from '@tsc-box/model';

/** A value and where it stands: `index.json: manifests[0].digest`. */
export class JsonValue {
  readonly value: unknown;
  readonly place: string;

  constructor(value: unknown, place: string) {
    this.value = value;
    this.place = place;
  }

  get isMissing(): boolean {
    return this.value === undefined || this.value === null;
  }

  field(name: string): JsonValue {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) this.fail('an object');
    const record = this.value as Readonly<Record<string, unknown>>;
    return new JsonValue(Object.hasOwn(record, name) ? record[name] : undefined, `${this.place}${this.place.endsWith(': ') ? '' : '.'}${name}`);
  }

  list(): JsonValue[] {
    if (!Array.isArray(this.value)) this.fail('a list');
    return (this.value as readonly unknown[]).map((item, index) => new JsonValue(item, `${this.place}[${String(index)}]`));
  }

  optionalList(): JsonValue[] {
    return this.isMissing ? [] : this.list();
  }

  text(): string {
    return typeof this.value === 'string' && this.value !== '' ? this.value : this.fail('text that is not empty');
  }

  optionalText(): string | undefined {
    return this.isMissing || this.value === '' ? undefined : this.text();
  }

  size(): number {
    const value = this.value;
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : this.fail('a number of bytes');
  }

  fail(allowed: string): never {
    const found = this.value === undefined ? 'nothing' : JSON.stringify(this.value).slice(0, 80);
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${this.place.replace(/: $/, '')}`, detail: `found ${found}, allowed: ${allowed}` });
  }
}

/** `name`: what the errors call it. */
export function parseJson(bytes: Uint8Array, name: string): JsonValue {
  try {
    return new JsonValue(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), `${name}: `);
  } catch (error) {
    throw new BoxError({ code: 'ERR_TSCBOX_IMAGE_INVALID', attempted: `read ${name}`, detail: `it is no JSON: ${error instanceof Error ? error.message : String(error)}`, cause: error });
  }
}
