// A set of tokens: every one that the request needs has to be among those allowed.
import { AttributeType, common, either, oneOf, only, sorted } from "./attribute.js";
import { FactError, ValueError } from "./errors.js";

/** The type of a set of tokens. A fact is one of them as text, or a list of several. */
export class TokenSet extends AttributeType {
  constructor(name = "tokens") {
    super(name, ["=", "in"]);
  }

  operand(operator, items) {
    return new Set((operator === "=" ? [only(items)] : items).map((item) => this.token(item)));
  }

  fact(value) {
    const isList = Array.isArray(value) || value instanceof Set;
    if (typeof value !== "string" && !isList) throw new FactError("tokens are a str or a list of them");
    return new Set(Array.from(isList ? value : [value], (token) => this.token(token)));
  }

  refusal(_operator, operand, fact) {
    if (!fact.size) return "the request names none";
    const lacking = sorted(fact).filter((token) => !operand.has(token));
    return lacking.length ? `the request needs ${lacking.join(" ")}` : null;
  }

  meet(demands) {
    return oneOf(sorted(common(demands.map(([, operand]) => operand))));
  }

  instead(_operator, items) {
    return `use ${either(items)}`;
  }

  /** Return one token if it is one. Throws ValueError or FactError. */
  token(value) {
    if (typeof value !== "string") throw new FactError("a token is a str");
    if (!value) throw new ValueError("a token is not empty");
    return value;
  }
}
