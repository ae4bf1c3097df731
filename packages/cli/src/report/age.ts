/** How long ago, as docker says it. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in milliseconds: `Less than a second`, `5 seconds`, `About a minute`, `3 hours`, `2 weeks`. */
export function humanDuration(span: number): string {
  if (span < SECOND) return 'Less than a second';
  if (span < 2 * SECOND) return '1 second';
  if (span < MINUTE) return `${Math.floor(span / SECOND)} seconds`;
  if (span < 2 * MINUTE) return 'About a minute';
  if (span < HOUR) return `${Math.floor(span / MINUTE)} minutes`;
  if (span < 2 * HOUR) return 'About an hour';
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} hours`;
  if (span < 14 * DAY) return `${Math.floor(span / DAY)} days`;
  if (span < 60 * DAY) return `${Math.floor(span / (7 * DAY))} weeks`;
  if (span < 730 * DAY) return `${Math.floor(span / (30 * DAY))} months`;
  return `${Math.floor(span / (365 * DAY))} years`;
}
