/** A plan as text for people: one line a step, the reason beside it. */
import type { LaunchPlan } from './plan.ts';

function formatValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string' && /^[A-Z0-9_]+$/.test(item)) ? value.join('|') || '0' : `[${value.map(formatValue).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    if ('slot' in value) return `<${String(value.slot)}>`;
    return `{${Object.entries(value).map(([key, item]) => `${key}: ${formatValue(item)}`).join(', ')}}`;
  }
  return String(value);
}

/** `mount(source="", target="/", flags=MS_SLAVE|MS_REC)`. */
export function formatCall(call: string, args: object): string {
  const octal = (key: string, value: unknown): boolean => (key === 'mode' || key === 'mask') && typeof value === 'number';
  return `${call}(${Object.entries(args).map(([key, value]) => `${key}=${octal(key, value) ? `0${Number(value).toString(8)}` : formatValue(value)}`).join(', ')})`;
}

/** Text of a whole plan, with a newline at its end. */
export function formatPlan(plan: LaunchPlan): string {
  const lines = [`plan ${plan.id} (version ${plan.version})`, '', 'prepare:'];
  for (const step of plan.prepare) lines.push(`  ${step.id}: ${formatCall(step.call, step.args)}  # ${step.why}`);
  lines.push('', 'clone:', `  ${plan.clone.flags.join('|') || '0'}`);
  if (plan.clone.idMaps !== undefined) lines.push(`  id maps: ${formatValue(plan.clone.idMaps)}`);
  lines.push('', 'child:');
  for (const step of plan.child) {
    const result = step.result === undefined ? '' : ` -> <${step.result}>`;
    const error = step.onError.action === 'fail' ? '' : step.onError.action === 'ignore' ? `, ${step.onError.errno ?? 'errors'} ignored` : `, on ${step.onError.errno ?? 'error'} go to ${step.onError.to}`;
    lines.push(`  ${step.id}: ${formatCall(step.call, step.args)}${result}  # ${step.why}${error}`);
  }
  for (const warning of plan.warnings) lines.push('', `warning: ${warning}`);
  return `${lines.join('\n')}\n`;
}
