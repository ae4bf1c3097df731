/**
 * Names in archives are bytes, not text. A *byte string* is a string whose characters are bytes (0..255):
 * it keeps any name exactly, and works as a key. Only what people read is decoded.
 */

export function toByteString(bytes: Uint8Array): string {
  let text = '';
  for (let start = 0; start < bytes.length; start += 4096) text += String.fromCharCode(...bytes.subarray(start, start + 4096));
  return text;
}

export function fromByteString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

export function encodeUtf8(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    if (point < 0x80) bytes.push(point);
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63));
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63));
  }
  return Uint8Array.from(bytes);
}

/** Text for people. Bytes that are no UTF-8 become U+FFFD, each. */
export function decodeUtf8(bytes: Uint8Array): string {
  let text = '';
  for (let index = 0; index < bytes.length; ) {
    const lead = bytes[index] ?? 0;
    const length = lead < 0x80 ? 1 : lead >= 0xf0 && lead < 0xf5 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 0;
    const point = length === 0 ? -1 : codePoint(bytes, index, length);
    text += point < 0 ? '\ufffd' : String.fromCodePoint(point);
    index += point < 0 ? 1 : length;
  }
  return text;
}

/** -1 when the bytes are no well-formed character. */
function codePoint(bytes: Uint8Array, start: number, length: number): number {
  if (length === 1) return bytes[start] ?? 0;
  let point = (bytes[start] ?? 0) & (0xff >> (length + 1));
  for (let index = start + 1; index < start + length; index += 1) {
    const byte = bytes[index] ?? 0;
    if ((byte & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (byte & 63);
  }
  const smallest = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  return point < smallest || point > 0x10ffff || (point >= 0xd800 && point < 0xe000) ? -1 : point;
}

/** The byte string of a text, as it would stand in an archive. */
export const byteStringOf = (text: string): string => toByteString(encodeUtf8(text));

/** The text of a byte string, for people. */
export const textOf = (byteString: string): string => decodeUtf8(fromByteString(byteString));
