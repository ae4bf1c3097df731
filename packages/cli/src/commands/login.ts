/** `tsc-box login` and `logout`. */
import { readFileSync } from 'node:fs';
import { UsageError } from '@tsc-box/model';
import { booleanValue, listValue, stringValue, type Parsed } from '../args/flag.ts';
import { askLine } from '../io/ask.ts';
import { isTerminal } from '../report/write.ts';
import type { Cli, Run } from './command.ts';

const HOST = /^[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$|^\[[0-9A-Fa-f:]+\](:\d{1,5})?$/;

export const login: Run = async (parsed, cli) => {
  const registry = registryOf(parsed);
  const username = stringValue(parsed, 'username') ?? (await ask('Username: ', 'a user name is needed: --username'));
  if (username === '') throw new UsageError({ attempted: 'read --username', detail: 'found nothing, allowed: a user name' });
  if (username.includes(':')) throw new UsageError({ attempted: 'read --username', detail: `found "${username}", allowed: a name without ":"` });
  const password = await passwordOf(parsed, cli);
  const images = await (await cli.engine()).images();
  const { kept, plain } = await images.login(registry, { kind: 'basic', username, password }, { env: cli.env, plainHttp: listValue(parsed, 'plainHttp') });
  if (plain) cli.warn(`the password lies unencrypted in ${kept}: a credential helper ("credsStore" in that file) keeps it better`);
  cli.write(`Login Succeeded: ${registry}, kept in ${kept}\n`);
  return 0;
};

export const logout: Run = async (parsed, cli) => {
  const registry = registryOf(parsed);
  const images = await (await cli.engine()).images();
  const kept = await images.logout(registry, { env: cli.env });
  cli.write(kept === undefined ? `Not logged in to ${registry}\n` : `Removed the credentials of ${registry} from ${kept}\n`);
  return 0;
};

/** An address is taken for its host, as docker does. */
function registryOf(parsed: Parsed): string {
  const text = parsed.positionals[0] ?? 'docker.io';
  const host = text.replace(/^https?:\/\//, '').replace(/\/(v[12]\/?)?$/, '');
  if (!HOST.test(host)) throw new UsageError({ attempted: 'read the registry', detail: `found "${text}", allowed: HOST[:PORT]` });
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

async function passwordOf(parsed: Parsed, cli: Cli): Promise<string> {
  const given = stringValue(parsed, 'password');
  const stdin = booleanValue(parsed, 'passwordStdin');
  if (given !== undefined && stdin) throw new UsageError({ attempted: 'read the command line', detail: 'found both --password and --password-stdin, allowed: one of them' });
  if (given !== undefined) cli.warn('a password on the command line can be seen by others of this machine: use --password-stdin');
  const password = given ?? (stdin ? readFileSync(0, 'utf8').replace(/\r?\n$/, '') : await ask('Password: ', 'a password is needed: --password-stdin', true));
  if (password === '') throw new UsageError({ attempted: 'read the password', detail: 'found nothing, allowed: a password' });
  return password;
}

async function ask(question: string, otherwise: string, hidden = false): Promise<string> {
  if (!isTerminal(0)) throw new UsageError({ attempted: 'ask for the credentials', detail: 'standard input is no terminal', hint: otherwise });
  return askLine(question, { hidden });
}
