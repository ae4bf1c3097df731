/** A question on the terminal. */
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';

/** `hidden`: what is typed is not shown. Written to standard error, so that standard output holds answers only. */
export async function askLine(question: string, { hidden = false }: { readonly hidden?: boolean } = {}): Promise<string> {
  let muted = false;
  const output = new Writable({
    write(chunk: Buffer, _encoding, done) {
      if (!muted) process.stderr.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const answer = lines.question(question);
    muted = hidden;
    return await answer;
  } finally {
    if (hidden) process.stderr.write('\n');
    lines.close();
  }
}
