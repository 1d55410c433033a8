// What every type of attribute has: which operators, how its values read, and when a fact meets them. A type only ever
// refuses, in the words of caveats/attribute.py.
//
// - operand(operator, items) reads a caveat's values, or throws ValueError;
// - fact(value) reads what a request says, or throws ValueError, or FactError for what could never be one;
// - refusal(operator, operand, fact) gives the reason why the fact does not meet the operand, else null;
// - meet(demands) writes [operator, items] of the weakest demands that imply all of these [operator, operand], or gives
//   null where no fact meets them all;
// - instead(operator, items, fact) says what would have to differ in a fact that was refused.
import { compareText } from "./encoding.js";
import { ValueError } from "./errors.js";

/** The contract of a type, and what most of them share. A type holds no state, and is frozen. */
export class AttributeType {
  constructor(name, operators, needsFact = true) {
    this.name = name;
    this.operators = Object.freeze(operators);
    this.needsFact = needsFact;
  }

  /** Say what to do where a request does not say the fact. */
  absent(attribute) {
    return `say the ${attribute}`;
  }
}

/** Return the one item of an operator that takes one. Throws ValueError. */
export function only(items) {
  if (items.length !== 1) {
    throw new ValueError("this operator takes one value; write a space inside a value as %20");
  }
  return items[0];
}

/** Write the demand for one of some items, in their order; null where there are none. */
export function oneOf(items) {
  return items.length ? [[items.length > 1 ? "in" : "=", items]] : null;
}

/** Name one or several alternatives: "a, b or c". */
export function either(items) {
  return [items.slice(0, -1).join(", "), items.at(-1)].filter(Boolean).join(" or ");
}

/** Return texts as a list in the order of their code points. */
export function sorted(texts) {
  return [...texts].sort(compareText);
}

/** Return what is in every one of some sets, at least one. */
export function common([first, ...others]) {
  return new Set([...first].filter((each) => others.every((other) => other.has(each))));
}
