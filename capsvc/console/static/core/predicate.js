// A predicate: one attribute, one operator, one value or several. Text that a person can read.
import { countCharacters, decodeItem, encodeItem, readUtf8 } from "./encoding.js";
import { PredicateError, ValueError } from "./errors.js";

const PYTHONS_SPACE = /^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;
const SALT = /^salt = ([A-Za-z0-9][A-Za-z0-9._-]{0,63})\/[A-Za-z0-9_-]{22}$/;
// Control characters, and those that nobody sees but that turn, part or hide what stands beside them.
const UNPRINTABLE = new RegExp(
  "[^\\x20-\\x7e\\u00a1-\\ud7ff\\ue000-\\ufffd\\u{10000}-\\u{10ffff}]|[\\u00ad\\u061c\\u180e\\u200b-\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e0fff}]",
  "gu",
);
const SHORT_ESCAPES = new Map([["\t", "\\t"], ["\n", "\\n"], ["\r", "\\r"]]);
const SHOWN_CHARACTERS = 200;

/** What to do about a caveat that no verifier understands. */
export const NOT_UNDERSTOOD = "use a copy without it";

/**
 * A predicate that was understood: it prints back to its text, and it only ever refuses. "items" are the decoded values
 * in their order, "operand" is what the attribute's type made of them.
 */
export class Predicate {
  /** Make a predicate of an attribute whose type is known. Throws PredicateError. */
  constructor(attribute, type, operator, items) {
    if (!type.operators.includes(operator)) {
      throw new PredicateError(`${attribute} knows the operators ${type.operators.join(" ")}`);
    }
    this.attribute = attribute;
    this.operator = operator;
    this.items = Object.freeze([...items]);
    this.type = type;
    try {
      this.operand = type.operand(operator, items);
    } catch (error) {
      throw error instanceof ValueError ? new PredicateError(error.message) : error;
    }
    Object.freeze(this);
  }

  /** Print the predicate as its one text. That of a salt holds the salt: show it by shown(). */
  toString() {
    return `${this.attribute} ${this.operator} ${this.items.map(encodeItem).join(" ")}`;
  }

  /** Say why facts, a Map as readFacts gives it, do not meet this; null when they do. Absent is never met. */
  refusal(facts) {
    if (!facts.has(this.attribute) && this.type.needsFact) return `the request does not say its ${this.attribute}`;
    return this.type.refusal(this.operator, this.operand, facts.get(this.attribute));
  }

  /** Say what would have to differ in facts that were refused, as a phrase to act on. */
  instead(facts) {
    if (!facts.has(this.attribute)) return this.type.absent(this.attribute);
    return this.type.instead(this.operator, this.items.map(encodeItem), facts.get(this.attribute));
  }
}

/** Split a predicate's text into attribute, operator and decoded items. Throws PredicateError. */
export function split(text) {
  const [attribute, operator, ...items] = text.split(" ");
  if (!items.length) throw new PredicateError("a predicate is: attribute, space, operator, space, value");
  return [attribute, operator, items.map(decodeItem)];
}

/**
 * Print any first-party caveat, or other text, for a person: on one line, bounded, and without the salt in it.
 * @param {string|Uint8Array} caveat
 */
export function shown(caveat) {
  let text = typeof caveat === "string" ? caveat : (readUtf8(caveat) ?? readLeniently(caveat));
  if (text.replace(PYTHONS_SPACE, "").slice(0, 4).toLowerCase() === "salt") {
    const salt = SALT.exec(text);
    text = salt ? `salt = ${salt[1]}/…` : "salt …";
  }
  text = text.replace(UNPRINTABLE, escaped);
  if (text.length <= SHOWN_CHARACTERS || countCharacters(text) <= SHOWN_CHARACTERS) return text;
  return `${Array.from(text).slice(0, SHOWN_CHARACTERS).join("")}…`;
}

// As Python escapes.
function escaped(character) {
  const code = character.codePointAt(0), digits = code.toString(16);
  if (SHORT_ESCAPES.has(character)) return SHORT_ESCAPES.get(character);
  if (code < 0x100) return `\\x${digits.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${digits.padStart(4, "0")}` : `\\U${digits.padStart(8, "0")}`;
}

// Each byte that belongs to no character stands as \xff.
function readLeniently(raw) {
  let text = "";
  for (let at = 0; at < raw.length; ) {
    const size = raw[at] < 0x80 ? 1 : raw[at] < 0xe0 ? 2 : raw[at] < 0xf0 ? 3 : 4;
    const character = readUtf8(raw.subarray(at, at + size));
    text += character ?? `\\x${raw[at].toString(16)}`;
    at += character === null ? 1 : size;
  }
  return text;
}
