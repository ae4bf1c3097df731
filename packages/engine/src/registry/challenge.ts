/** WWW-Authenticate headers: RFC 9110 section 11.6.1. */

export interface Challenge {
  /** Lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+/;

/** Several challenges may stand in one header, parted by the commas that also part their parameters. What can't be read ends the list. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { readonly scheme: string; readonly parameters: Record<string, string> }[] = [];
  let rest = header;
  const skip = (pattern: RegExp): void => void (rest = rest.replace(pattern, ''));
  for (;;) {
    skip(/^[\s,]+/);
    const word = TOKEN.exec(rest)?.[0];
    if (word === undefined) return challenges;
    rest = rest.slice(word.length);
    const current = challenges.at(-1);
    if (/^\s*=(?!=)/.test(rest) && current !== undefined) {
      skip(/^\s*=\s*/);
      const quoted = /^"((?:[^"\\]|\\.)*)"/.exec(rest);
      const value = quoted?.[0] ?? TOKEN.exec(rest)?.[0] ?? '';
      rest = rest.slice(value.length);
      current.parameters[word.toLowerCase()] = quoted === null ? value : (quoted[1] ?? '').replaceAll(/\\(.)/g, '$1');
    } else {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      // A token68 (RFC 9110 11.2) after the scheme, as in Negotiate, says nothing to us.
      skip(/^\s+[A-Za-z0-9._~+/-]+=*\s*(?=,|$)/);
    }
  }
}
