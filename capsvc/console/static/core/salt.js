// Salts: a name and 16 random bytes, met while the salt column does not disagree. And new ones, by whose names a copy
// is taken back.
import { AttributeType, only, sorted } from "./attribute.js";
import { encodeBase64, fixedBase64 } from "./encoding.js";
import { FactError, PredicateError, ValueError } from "./errors.js";

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const SALT_BYTES = 16;
const SUFFIX = "abcdefghijklmnopqrstuvwxyz0123456789";
const SUFFIX_CHARACTERS = 8;
// The largest multiple of 36 that a byte holds: above it some characters would be likelier than others.
const FAIR = 252;
const BAD_NAME = "a salt's name is 1 to 64 ASCII letters, digits, '.', '_' or '-', a letter or digit first";

/**
 * Give a salt's name a random suffix: somebody else's name, or one that was taken back once, must not be hit by chance.
 * Throws PredicateError where that makes no name.
 */
export function suggestSaltName(name) {
  let suffix = "";
  while (suffix.length < SUFFIX_CHARACTERS) {
    const [byte] = globalThis.crypto.getRandomValues(new Uint8Array(1));
    if (byte < FAIR) suffix += SUFFIX[byte % SUFFIX.length];
  }
  return demandName(`${demandName(name)}.${suffix}`);
}

/** Write the predicate of a new salt of a name. It holds the salt: show it by shown(). Throws PredicateError. */
export function newSalt(name) {
  return `salt = ${demandName(name)}/${encodeBase64(globalThis.crypto.getRandomValues(new Uint8Array(SALT_BYTES)))}`;
}

function demandName(name) {
  if (typeof name !== "string" || !NAME.test(name)) throw new PredicateError(BAD_NAME);
  return name;
}

/**
 * The type of a salt. The fact is a Map of the column's rows: a name with its salt as base64, or with null once it is
 * revoked. A name without a row is met.
 */
export class Salt extends AttributeType {
  constructor() {
    super("salt", ["="]);
  }

  operand(_operator, items) {
    const item = only(items), slash = item.indexOf("/");
    if (slash < 0) throw new ValueError("a salt is its name, /, and 22 characters of base64");
    const name = item.slice(0, slash), salt = item.slice(slash + 1);
    if (!NAME.test(name)) throw new ValueError(BAD_NAME);
    fixedBase64(salt, SALT_BYTES, "a salt is 22 characters of base64");
    return { name, salt };
  }

  fact(value) {
    if (!(value instanceof Map)) throw new FactError("salts are a mapping of names to bytes or None");
    return value;
  }

  refusal(_operator, { name, salt }, fact) {
    return !fact.has(name) || fact.get(name) === salt ? null : "it was revoked";
  }

  // Names conjoin. Two salts of one name contradict, as they do for a verifier, even where it has no row.
  meet(demands) {
    const salts = new Map(demands.map(([, { name, salt }]) => [name, salt]));
    if (demands.some(([, { name, salt }]) => salts.get(name) !== salt)) return null;
    return sorted(salts.keys()).map((name) => ["=", [`${name}/${salts.get(name)}`]]);
  }

  instead() {
    return "log in again, or ask whoever handed it on for another";
  }
}
