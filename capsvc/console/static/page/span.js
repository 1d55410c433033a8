// Spans of time, as links write them and as people say them.

const UNITS = { "": 1, s: 1, m: 60, h: 3600, d: 86400 };
const FORM = /^([0-9]{1,9})([smhd]?)$/;
const LONGEST = 3650 * UNITS.d;

/** Read a span such as 90s, 10m, 8h or 30d, as the command line does; null where it is none. */
export function secondsOf(span) {
  const [, count, unit] = FORM.exec(span) ?? [];
  const seconds = Number(count) * UNITS[unit];
  return seconds >= 1 && seconds <= LONGEST ? seconds : null;
}

/** Say a span by its two largest units: "2 h 14 min". */
export function inWords(seconds) {
  const minutes = Math.floor(seconds / UNITS.m),
    hours = Math.floor(seconds / UNITS.h);
  if (hours >= 48) return both(Math.floor(hours / 24), hours % 24, "days", "h");
  if (hours >= 1) return both(hours, minutes % 60, "h", "min");
  return minutes >= 1 ? both(minutes, seconds % 60, "min", "s") : `${seconds} s`;
}

function both(large, small, ofLarge, ofSmall) {
  return small ? `${large} ${ofLarge} ${small} ${ofSmall}` : `${large} ${ofLarge}`;
}
