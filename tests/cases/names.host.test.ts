import { appendFileSync, cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome, refusal } from '../cli/command.ts';
import { missingCommand } from '../images/cache.ts';
import { copyBusyboxRoot } from './bundle.ts';

const missing = missingCommand('busybox');
const why = refusal() ?? (missing === undefined ? undefined : `needs ${missing}`);
const title = (text: string): string => (why === undefined ? text : `${text} (${why})`);

describe('names, environment and volumes', () => {
  const home = why === undefined ? makeHome() : undefined;
  afterAll(() => home?.remove());
  const run = (script: string, ...flags: readonly string[]) => home!.run(['run', '--rm', ...flags, 'host', 'sh', '-c', script]);

  it.skipIf(why !== undefined)(title('case 62 (moby#21445, compose#7904): a host name may have 64 bytes, and 65 are refused with the limit'), () => {
    const name = 'h'.repeat(64);
    expect(run('uname -n; cat /etc/hostname', '--hostname', name)).toMatchObject({ code: 0, stdout: `${name}\n${name}\n` });
    expect(run('true', '--hostname', `${name}h`)).toMatchObject({ code: 125, stdout: '', stderr: expect.stringMatching(/--hostname.*64/) });
  });

  it.skipIf(why !== undefined)(title('case 62 (kontena#825): the domain name does not count'), () => {
    expect(run('uname -n; cat /proc/sys/kernel/domainname', '--hostname', 'h'.repeat(64), '--domainname', 'example.org')).toMatchObject({ code: 0, stdout: `${'h'.repeat(64)}\nexample.org\n` });
  });

  it.skipIf(why !== undefined)(title('case 64 (podman#15836, #2712): a value keeps its equals signs, commas, spaces and line feeds'), () => {
    const values = ['b=c', 'x,y', ' two  words ', 'line\nfeed', '', '"quoted"', '$HOME'];
    const flags = values.flatMap((value, index) => ['-e', `V${String(index)}=${value}`]);
    expect(run(values.map((_, index) => `printf '<%s>' "$V${String(index)}"`).join(';'), ...flags).stdout).toBe(values.map((value) => `<${value}>`).join(''));
  });

  it.skipIf(why !== undefined)(title('case 64 (podman#8886): the user\'s HOSTNAME wins; else it is the host name'), () => {
    expect(run('echo "$HOSTNAME"', '-e', 'HOSTNAME=mine', '--hostname', 'other').stdout).toBe('mine\n');
    expect(run('echo "$HOSTNAME"', '--hostname', 'other').stdout).toBe('other\n');
  });

  it.skipIf(why !== undefined)(title('case 64: -e NAME takes the caller\'s value, nothing else of the caller\'s environment gets in, and a file of them is read as docker does'), () => {
    const file = join(home!.directory, 'env');
    writeFileSync(file, '# comment\nFROM_FILE=a=b, c\nCALLER\nABSENT\n');
    const result = home!.run(['run', '--rm', '-e', 'GIVEN', '--env-file', file, 'host', 'env'], { env: { GIVEN: 'given', CALLER: 'caller', SECRET: 'secret' } });
    const lines = result.stdout.trimEnd().split('\n');
    expect(lines).toEqual(expect.arrayContaining(['GIVEN=given', 'FROM_FILE=a=b, c', 'CALLER=caller']));
    expect(lines.filter((line) => /^(?:SECRET|ABSENT|TMPDIR|XDG_)/.test(line))).toEqual([]);
  });

  it.skipIf(why !== undefined)(title('case 65 (podman#22729, #11411): /etc/hosts has localhost and the host\'s name, ends in a line feed, and can be added to'), () => {
    const { stdout } = run('cat /etc/hosts', '--hostname', 'boxed', '--add-host', 'db:10.1.2.3', '--add-host', 'six:::1');
    expect(stdout).toMatch(/^127\.0\.0\.1\s+localhost\b/m);
    expect(stdout).toMatch(/\sboxed$/m);
    expect(stdout).toMatch(/^10\.1\.2\.3\s+db$/m);
    expect(stdout).toMatch(/^::1\s+six$/m);
    expect(stdout).toMatch(/[^\n]\n$/);
    expect(run('echo "10.9.9.9 late" >>/etc/hosts && tail -n 1 /etc/hosts').stdout).toBe('10.9.9.9 late\n');
  });

  it.skipIf(why !== undefined)(title('case 65 (podman#12667, #12461): a root without /etc/hosts, or whose resolv.conf is a link, gets its own, and nothing outside is written'), () => {
    const directory = join(home!.directory, 'rootfs');
    copyBusyboxRoot(directory);
    const target = join(home!.directory, 'outside');
    writeFileSync(target, 'of the host\n');
    mkdirSync(join(directory, 'run/systemd/resolve'), { recursive: true });
    for (const link of ['/run/systemd/resolve/stub-resolv.conf', `../../../../../../../..${target}`]) {
      rmSync(join(directory, 'etc/resolv.conf'), { force: true });
      symlinkSync(link, join(directory, 'etc/resolv.conf'));
      const result = home!.run(['run', '--rm', '--dns', '192.0.2.53', '--add-host', 'db:10.1.2.3', '--rootfs', directory, 'sh', '-c', 'cat /etc/resolv.conf; grep -c localhost /etc/hosts; tail -c 1 /etc/hosts | wc -l']);
      expect([link, result]).toMatchObject([link, { code: 0, stdout: expect.stringMatching(/^nameserver 192\.0\.2\.53\n[1-9]\n1\n$/) }]);
    }
    expect(home!.run(['run', '--rm', '-v', `${target}:/outside`, 'host', 'cat', '/outside']).stdout).toBe('of the host\n');
  });

  it.skipIf(why !== undefined)(title('case 65: the files of the image itself are not changed'), () => {
    const directory = join(home!.directory, 'own-files');
    cpSync(join(home!.directory, 'rootfs'), directory, { recursive: true, verbatimSymlinks: true });
    rmSync(join(directory, 'etc/resolv.conf'), { force: true });
    for (const name of ['hosts', 'hostname', 'resolv.conf']) appendFileSync(join(directory, 'etc', name), `own ${name}\n`);
    home!.run(['run', '--rm', '--rootfs', directory, 'sh', '-c', 'echo changed >>/etc/hosts']);
    expect(home!.run(['run', '--rm', '-v', `${directory}/etc:/own:ro`, 'host', 'cat', '/own/hosts', '/own/hostname', '/own/resolv.conf']).stdout).toBe('own hosts\nown hostname\nown resolv.conf\n');
  });

  it.skipIf(why !== undefined)(title('case 68 (docker/cli#4053, #4415): -v "" and -v :/vol are mistakes, never a volume without a name'), () => {
    for (const volume of ['', ':/vol', ':', '/vol:', ':/a:ro']) {
      const result = home!.run(['run', '--rm', '-v', volume, 'host', 'true']);
      expect([volume, result]).toMatchObject([volume, { code: 125, stdout: '', stderr: expect.stringMatching(/read -v: found .*allowed: SOURCE:DESTINATION/) }]);
    }
    expect(home!.run(['run', '--rm', '-v', '/etc', 'host', 'true'])).toMatchObject({ code: 125, stderr: expect.stringContaining('anonymous volumes are not built') });
  });
});
