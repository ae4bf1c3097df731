import { describe, expect, it } from 'vitest';
import { UsageError, type ImageRunConfig } from '@tsc-box/model';
import { applyChanges } from './changes.ts';

const base: ImageRunConfig = { Cmd: ['old', 'word'], Entrypoint: ['/entry'], Env: ['PATH=/bin', 'A=1'], Labels: { a: '1' }, WorkingDir: '/srv' };

describe('applyChanges', () => {
  it('podman#2951: commands are lists as they are, or lines for a shell', () => {
    expect(applyChanges(base, ['CMD ["a b", "c"]']).Cmd).toEqual(['a b', 'c']);
    expect(applyChanges(base, ['cmd echo  "$A" x']).Cmd).toEqual(['/bin/sh', '-c', 'echo  "$A" x']);
    expect(applyChanges(base, ['CMD']).Cmd).toEqual([]);
  });

  it('podman#7115: a new entry point clears the command, one after it stays', () => {
    expect(applyChanges(base, ['ENTRYPOINT ["/new"]'])).toEqual({ ...base, Cmd: undefined, Entrypoint: ['/new'] });
    expect(applyChanges(base, ['ENTRYPOINT ["/new"]', 'CMD ["x"]'])).toMatchObject({ Entrypoint: ['/new'], Cmd: ['x'] });
  });

  it('podman#3132: values keep "=" and quoted blanks, and take the place of earlier ones', () => {
    expect(applyChanges(base, ['ENV A=b=c "D=e f" G=h\\ i J=\'k "l"\'', 'ENV OLD the whole rest']).Env).toEqual(['PATH=/bin', 'A=b=c', 'D=e f', 'G=h i', 'J=k "l"', 'OLD=the whole rest']);
    expect(applyChanges(base, ['LABEL b="two words" c=', 'LABEL a=2']).Labels).toEqual({ a: '2', b: 'two words', c: '' });
  });

  it('sets users, ports, volumes, directories and signals', () => {
    const config = applyChanges(base, ['USER 1000:100', 'EXPOSE 80 53/UDP 8000-8010', 'VOLUME /data /more', 'VOLUME ["/a b"]', 'WORKDIR sub/../here', 'STOPSIGNAL SIGINT']);
    expect(config).toMatchObject({ User: '1000:100', ExposedPorts: { '80/tcp': {}, '53/udp': {}, '8000-8010/tcp': {} }, Volumes: { '/data': {}, '/more': {}, '/a b': {} }, WorkingDir: '/srv/here', StopSignal: 'SIGINT' });
    expect(applyChanges({}, ['WORKDIR /x']).WorkingDir).toBe('/x');
  });

  it.each(['', 'RUN true', 'COPY a b', 'ENV', 'ENV A', 'ENV =x', 'LABEL "open', 'EXPOSE 0', 'EXPOSE http', 'CMD ["a"', 'USER'])('refuses %j', (text) => {
    expect(() => applyChanges(base, [text])).toThrow(UsageError);
  });
});
