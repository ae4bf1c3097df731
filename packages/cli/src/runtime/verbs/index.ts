/** Verbs by name, each loaded when it is used. */
import type { Verb } from '../verb.ts';

export const VERBS: Readonly<Record<string, () => Promise<Verb>>> = {
  create: async () => (await import('./create.ts')).createVerb,
  start: async () => (await import('./start.ts')).startVerb,
  state: async () => (await import('./state.ts')).stateVerb,
  kill: async () => (await import('./kill.ts')).killVerb,
  delete: async () => (await import('./delete.ts')).deleteVerb,
  run: async () => (await import('./run.ts')).runVerb,
  exec: async () => (await import('./exec.ts')).execVerb,
  list: async () => (await import('./list.ts')).listVerb,
  ps: async () => (await import('./ps.ts')).psVerb,
  pause: async () => (await import('./pause.ts')).pauseVerb,
  resume: async () => (await import('./resume.ts')).resumeVerb,
  update: async () => (await import('./update.ts')).updateVerb,
  events: async () => (await import('./events.ts')).eventsVerb,
  features: async () => (await import('./features.ts')).featuresVerb,
  spec: async () => (await import('./spec.ts')).specVerb,
};
