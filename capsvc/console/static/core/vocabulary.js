// The vocabulary: which attributes there are, and of what type each is. A value: extending one gives another.
import { hasHalfCharacter, readUtf8 } from "./encoding.js";
import { PredicateError } from "./errors.js";
import { Digest } from "./digest.js";
import { Host } from "./host.js";
import { Network } from "./network.js";
import { NumberType } from "./number.js";
import { PathType } from "./path.js";
import { Predicate, split } from "./predicate.js";
import { Salt } from "./salt.js";
import { Text } from "./text.js";
import { Time } from "./time.js";
import { TokenSet } from "./tokens.js";
import { Unique } from "./unique.js";

const ATTRIBUTE_NAME = /^[a-z][a-z0-9_]{0,31}$/;

/** An immutable mapping of attribute names to their types. */
export class Vocabulary {
  // A Map, so that a name such as __proto__ or constructor finds nothing.
  #types;

  constructor(types) {
    this.#types = new Map(types);
    Object.freeze(this);
  }

  /** The names of all attributes. */
  get names() {
    return [...this.#types.keys()];
  }

  /** Find the type of an attribute; undefined for none. */
  type(name) {
    return this.#types.get(name);
  }

  /**
   * Return a vocabulary with further attributes, as a service publishes them: {amount: "number"}. Throws TypeError for
   * a name that is none or taken, and for a type that cannot be declared.
   */
  extend(declared) {
    const types = new Map(this.#types);
    for (const [name, type] of Object.entries(declared)) {
      if (!ATTRIBUTE_NAME.test(name) || types.has(name)) throw new TypeError(`${name} is no name, or is taken`);
      if (!DECLARABLE.has(type)) throw new TypeError(`an application declares ${[...DECLARABLE.keys()].join(", ")}`);
      types.set(name, DECLARABLE.get(type));
    }
    return new Vocabulary(types);
  }

  /**
   * Read a predicate's text, or the UTF-8 bytes of one. Throws PredicateError, with a reason to act on, for whatever is
   * not understood: an unknown attribute or operator, a value that its type does not read, text that is not UTF-8.
   */
  parse(text) {
    const read = typeof text === "string" ? text : readUtf8(text);
    if (read === null) throw new PredicateError("a predicate is UTF-8");
    if (hasHalfCharacter(read)) throw new PredicateError("a predicate is UTF-8, which has no half characters");
    const [attribute, operator, items] = split(read);
    const type = this.#types.get(attribute);
    if (!type) throw new PredicateError("its attribute is not in the vocabulary");
    return new Predicate(attribute, type, operator, items);
  }
}

/** The types that an application may declare, by name. */
export const DECLARABLE = new Map([
  ["text", Object.freeze(new Text())],
  ["tokens", Object.freeze(new TokenSet())],
  ["path", Object.freeze(new PathType(false))],
  ["number", Object.freeze(new NumberType())],
  ["network", Object.freeze(new Network())],
]);

const [tokens, digest, unique] = [new TokenSet(), new Digest(), new Unique()].map(Object.freeze);

/** The attributes that every service knows. */
export const BUILTIN = new Vocabulary([
  ["time", Object.freeze(new Time())],
  ["user", Object.freeze(new Text(true))],
  ["method", tokens],
  ["host", Object.freeze(new Host())],
  ["audience", tokens],
  ["action", tokens],
  ["path", Object.freeze(new PathType(true))],
  ["resource", Object.freeze(new PathType(false))],
  ["ip", Object.freeze(new Network())],
  ["body", digest],
  ["query", digest],
  ["salt", Object.freeze(new Salt())],
  ["nonce", unique],
  ["request", unique],
]);

/** Read a predicate's text, or its bytes, in a vocabulary. Throws PredicateError. String(predicate) prints it back. */
export function parse(text, vocabulary = BUILTIN) {
  return vocabulary.parse(text);
}
