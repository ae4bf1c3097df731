import { UnsupportedError } from '@tsc-box/model';
import { expect, it } from 'vitest';
import { openSim } from './index.ts';

it('refuses clearly until it is built', () => {
  expect(openSim).toThrow(UnsupportedError);
  expect(openSim).toThrow('open the simulated kernel: the simulated kernel is not built yet in this version');
});
