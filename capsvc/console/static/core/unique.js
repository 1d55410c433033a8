// 128 random bits as 22 characters of base64. Forbids nothing by itself.
import { AttributeType, only } from "./attribute.js";
import { fixedBase64 } from "./encoding.js";
import { FactError } from "./errors.js";

/** The type of a unique value. */
export class Unique extends AttributeType {
  constructor() {
    super("unique", ["="], false);
  }

  operand(_operator, items) {
    return this.fact(only(items));
  }

  fact(value) {
    if (typeof value !== "string") throw new FactError("a unique value is a str");
    fixedBase64(value, 16, "a unique value is 22 characters of base64");
    return value;
  }

  refusal() {
    return null;
  }

  meet() {
    return [];
  }

  instead() {
    return "";
  }
}
