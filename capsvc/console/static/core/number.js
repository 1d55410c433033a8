// Numbers, exact: a caveat on an amount must not depend on how a float rounds. A decimal of at most 18 digits is held
// as a whole number of 10 to the -18.
import { AttributeType, common, either, oneOf, only } from "./attribute.js";
import { FactError, ValueError } from "./errors.js";

const NUMBER = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;
const DIGITS = 18;
const ONE = 10n ** BigInt(DIGITS);
const LARGEST = (ONE - 1n) * ONE;
const PHRASES = new Map([
  ["<", "stay below"],
  ["<=", "go no higher than"],
  [">", "go above"],
  [">=", "go no lower than"],
]);

/** The type of a number. A fact is a whole number or a decimal as text; a fraction as a float is refused. */
export class NumberType extends AttributeType {
  constructor() {
    super("number", ["<", "<=", "=", ">", ">=", "in"]);
  }

  operand(operator, items) {
    return (operator === "in" ? items : [only(items)]).map((item) => this.fact(item));
  }

  fact(value) {
    if (typeof value !== "bigint" && typeof value !== "string" && !Number.isSafeInteger(value)) {
      throw new FactError("a number is an int or a decimal as text");
    }
    const [, sign, whole, fraction = ""] = NUMBER.exec(String(value)) ?? [];
    if (whole === undefined || whole.length + fraction.length > DIGITS) {
      throw new ValueError("a number is -?(0|[1-9][0-9]*)(.[0-9]+)? with at most 18 digits");
    }
    const held = BigInt(whole + fraction.padEnd(DIGITS, "0"));
    return sign ? -held : held;
  }

  refusal(operator, operand, fact) {
    return isMet(operator, operand, fact) ? null : `it is ${written(fact)}`;
  }

  meet(demands) {
    let lowest = -LARGEST, highest = LARGEST;
    const lists = [];
    for (const [operator, operand] of demands) {
      const [bound] = operand;
      if (operator === "=" || operator === "in") lists.push(new Set(operand));
      else if (operator === ">" || operator === ">=") lowest = larger(lowest, operator === ">" ? after(bound) : bound);
      else highest = -larger(-highest, operator === "<" ? after(-bound) : -bound);
    }
    if (lists.length) {
      const met = [...common(lists)].filter((each) => lowest <= each && each <= highest).sort(compare);
      const isRun = met.length > 1 && met.every((each, at) => !at || after(met[at - 1]) === each);
      if (!isRun) return oneOf(met.map(written));
      [lowest, highest] = [met[0], met.at(-1)];
    }
    if (lowest >= highest) return lowest > highest ? null : oneOf([written(lowest)]);
    const lower = boundOf(">", lowest), upper = boundOf("<", highest);
    if (lowest === -LARGEST) return [upper];
    return highest === LARGEST ? [lower] : [lower, upper];
  }

  instead(operator, items) {
    return `${PHRASES.get(operator) ?? "make it"} ${either(items)}`;
  }
}

function isMet(operator, operand, fact) {
  const [bound] = operand;
  switch (operator) {
    case "<":
      return fact < bound;
    case "<=":
      return fact <= bound;
    case ">":
      return fact > bound;
    case ">=":
      return fact >= bound;
    default:
      return operand.includes(fact);
  }
}

function compare(one, other) {
  return one < other ? -1 : one > other ? 1 : 0;
}

function larger(one, other) {
  return one > other ? one : other;
}

// The next larger number of at most 18 digits: the more before the point, the fewer behind it.
function after(number) {
  const whole = (number >= 0n ? number : -number - 1n) / ONE;
  return number + 10n ** BigInt(String(whole).length);
}

// A bound, of two that no number lies between the shorter: "> 5", not ">= 5.00000000000000001".
function boundOf(operator, number) {
  const beyond = operator === ">" ? -after(-number) : after(number);
  const inclusive = written(number), exclusive = written(beyond);
  const isBeyondAll = beyond > LARGEST || beyond < -LARGEST;
  if (isBeyondAll || inclusive.length <= exclusive.length) return [`${operator}=`, [inclusive]];
  return [operator, [exclusive]];
}

// A held number as the shortest decimal text.
function written(held) {
  const digits = String(held < 0n ? -held : held).padStart(DIGITS + 1, "0");
  const fraction = digits.slice(-DIGITS).replace(/0+$/, "");
  return `${held < 0n ? "-" : ""}${digits.slice(0, -DIGITS)}${fraction && "."}${fraction}`;
}
