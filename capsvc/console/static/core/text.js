// One text in Unicode's normal form C.
import { AttributeType, common, either, oneOf, only, sorted } from "./attribute.js";
import { hasHalfCharacter } from "./encoding.js";
import { FactError, ValueError } from "./errors.js";

const CONTROL = /[\x00-\x1f\x7f-\x9f]/;

/** The type of a text; a name, of a user, holds no slash and no control character. */
export class Text extends AttributeType {
  #isName;

  constructor(isName = false) {
    super("text", ["=", "in"]);
    this.#isName = isName;
  }

  operand(operator, items) {
    return new Set((operator === "=" ? [only(items)] : items).map((item) => this.fact(item)));
  }

  fact(value) {
    if (typeof value !== "string") throw new FactError("a text is a str");
    if (!value || value.normalize("NFC") !== value || hasHalfCharacter(value)) {
      throw new ValueError("a text is not empty, of whole characters, and in Unicode's normal form C");
    }
    if (this.#isName && (value.includes("/") || CONTROL.test(value))) {
      throw new ValueError("a name holds no / and no control character");
    }
    return value;
  }

  refusal(_operator, operand, fact) {
    return operand.has(fact) ? null : `it is ${fact}`;
  }

  meet(demands) {
    return oneOf(sorted(common(demands.map(([, operand]) => operand))));
  }

  instead(_operator, items) {
    return `${this.#isName ? "ask as" : "make it"} ${either(items)}`;
  }
}
