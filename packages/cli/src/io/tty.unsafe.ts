/**
 * The user's terminal by ioctl_tty(2).
 * Size: TIOCGWINSZ with `struct winsize`. Node's streams remember the size and ask again only after their own SIGWINCH handler has run.
 * Raw mode: TCGETS and TCSETSW with `struct termios` of asm-generic/termbits.h (x86-64 and arm64).
 * Node's own `setRawMode` keeps ONLCR, which turns a bare line feed that a full-screen program sends (move down) into a new line.
 */
import { koffi } from '@tsc-box/host-linux';

const TCGETS = 0x5401;
const TCSETSW = 0x5403;
const TIOCGWINSZ = 0x5413;
/** Rows, columns and two unused, 16 bits each. */
const WINSIZE_BYTES = 8;
/** Four 32-bit words of flags, c_line, 19 control characters. */
const TERMIOS_BYTES = 36;

// cfmakeraw(3): which bits are cleared in c_iflag, c_oflag, c_cflag and c_lflag.
const IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON = 0o2753;
const OPOST = 0o1;
const CSIZE_PARENB = 0o460;
const CS8 = 0o60;
const ECHO_ECHONL_ICANON_ISIG_IEXTEN = 0o100113;
const VMIN = 6;
const VTIME = 5;
const CONTROL_CHARACTERS = 17;

type Ioctl = (fd: number, request: number, argument: Buffer) => number;

/** Lines and columns of the terminal; undefined where `fd` is none. */
export function windowSize(fd: number): { readonly height: number; readonly width: number } | undefined {
  const bytes = Buffer.alloc(WINSIZE_BYTES);
  // SAFETY: writes WINSIZE_BYTES bytes and keeps no pointer.
  if (loadIoctl()?.(fd, TIOCGWINSZ, bytes) !== 0) return undefined;
  return { height: bytes.readUInt16LE(0), width: bytes.readUInt16LE(2) };
}

/** Makes the terminal raw and returns what sets it back; undefined where that is not possible. */
export function makeRaw(fd: number): (() => void) | undefined {
  const ioctl = loadIoctl();
  const saved = Buffer.alloc(TERMIOS_BYTES);
  // SAFETY: both requests read or write TERMIOS_BYTES bytes and keep no pointer.
  if (ioctl === undefined || ioctl(fd, TCGETS, saved) !== 0) return undefined;
  if (ioctl(fd, TCSETSW, rawFrom(saved)) !== 0) return undefined;
  return () => void ioctl(fd, TCSETSW, saved);
}

/** cfmakeraw(3) on the bytes of a `struct termios`. */
export function rawFrom(saved: Buffer): Buffer {
  const raw = Buffer.from(saved);
  const clear = (offset: number, bits: number, set = 0): void => void raw.writeUInt32LE(((raw.readUInt32LE(offset) & ~bits) | set) >>> 0, offset);
  clear(0, IGNBRK_BRKINT_PARMRK_ISTRIP_INLCR_IGNCR_ICRNL_IXON);
  clear(4, OPOST);
  clear(8, CSIZE_PARENB, CS8);
  clear(12, ECHO_ECHONL_ICANON_ISIG_IEXTEN);
  raw[CONTROL_CHARACTERS + VMIN] = 1;
  raw[CONTROL_CHARACTERS + VTIME] = 0;
  return raw;
}

let loaded: Ioctl | undefined;

function loadIoctl(): Ioctl | undefined {
  try {
    return (loaded ??= koffi().load(null).func('ioctl', 'int', ['int', 'ulong', 'void *']) as Ioctl);
  } catch {
    return undefined;
  }
}
