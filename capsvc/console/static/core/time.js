// A second in UTC. "time < T" ends, "time >= T" begins. Times of this form sort as the moments do.
import { AttributeType, only } from "./attribute.js";
import { FactError, ValueError } from "./errors.js";

const FORM = /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z$/;
const FIRST = "0001-01-01T00:00:00Z";
// Where the last second ends: no caveat can say that.
const END = "9999-12-31T23:59:60Z";
const FIRST_SECOND = Date.parse(FIRST) / 1000, LAST_SECOND = Date.parse("9999-12-31T23:59:59Z") / 1000;

/**
 * Write a moment (a Date, seconds since the epoch, or such a text, which is checked) as the 20 characters
 * YYYY-MM-DDTHH:MM:SSZ, UTC, floored to the second. Throws ValueError beyond the years 1 to 9999, FactError for others.
 */
export function timeText(moment) {
  if (typeof moment === "string") return demandReal(moment);
  if (typeof moment !== "number" && !(moment instanceof Date)) {
    throw new FactError("a time is a datetime, seconds or text");
  }
  const seconds = Math.floor(moment instanceof Date ? moment.getTime() / 1000 : moment);
  if (!(seconds >= FIRST_SECOND && seconds <= LAST_SECOND)) {
    throw new ValueError("a time lies within the years 1 to 9999");
  }
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}

function demandReal(text) {
  const [year, month, day, hour, minute, second] = (FORM.exec(text) ?? []).slice(1).map(Number);
  const isReal = year >= 1 && day >= 1 && day <= daysIn(year, month) && hour < 24 && minute < 60 && second < 60;
  if (!isReal) throw new ValueError("a time is exactly YYYY-MM-DDTHH:MM:SSZ and a real date");
  return text;
}

// Date would read the years below 100 as others; 0 days where there is no such month.
function daysIn(year, month) {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return [0, 31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month] ?? 0;
}

/** The type of a time. */
export class Time extends AttributeType {
  constructor() {
    super("time", ["<", ">="]);
  }

  operand(_operator, items) {
    return demandReal(only(items));
  }

  fact(value) {
    return timeText(value);
  }

  refusal(operator, operand, fact) {
    if (operator === "<") return fact < operand ? null : `it is ${fact}`;
    return fact >= operand ? null : `it is only ${fact}`;
  }

  meet(demands) {
    let begins = FIRST, ends = END;
    for (const [operator, operand] of demands) {
      if (operator === "<" && operand < ends) ends = operand;
      if (operator === ">=" && operand > begins) begins = operand;
    }
    if (begins >= ends) return null;
    const lower = begins > FIRST || ends === END ? [[">=", [begins]]] : [];
    return ends < END ? [...lower, ["<", [ends]]] : lower;
  }

  instead(operator, items) {
    return operator === "<" ? `ask before ${items[0]}` : `ask at ${items[0]} or later`;
  }
}
