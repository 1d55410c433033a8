// Attenuation: a copy that forbids more, made by whoever holds a macaroon. It needs no key and asks nobody.
import { extend } from "./chain.js";
import { countCharacters, writeUtf8 } from "./encoding.js";
import { PredicateError, ValueError } from "./errors.js";
import { encode } from "./interchange.js";
import { LIMITS, caveatOf, macaroonOf } from "./macaroon.js";
import { BUILTIN } from "./vocabulary.js";

/**
 * Append first-party caveats, each checked to be a predicate of the vocabulary. A promise of another macaroon of the
 * same format; rejected with PredicateError, also where the copy would be more than a verifier takes: 64 caveats, 8192
 * characters, or a predicate is too long for format 1.
 * @param {string[]} predicates
 */
export async function attenuate(macaroon, predicates, vocabulary = BUILTIN) {
  const { format, location, identifier, caveats, signature } = macaroon;
  const added = predicates.map((text) => caveatOf(writeUtf8(String(vocabulary.parse(text)))));
  const all = [...caveats, ...added];
  const narrowed = macaroonOf(format, location, identifier, all, await extend(signature, added));
  const characters = countCharacters(written(narrowed));
  demandAtMost(all.length, LIMITS.caveats, "caveats");
  demandAtMost(characters, LIMITS.characters, "characters");
  return narrowed;
}

function written(macaroon) {
  try {
    return encode(macaroon);
  } catch (wrong) {
    throw wrong instanceof ValueError ? new PredicateError(wrong.message) : wrong;
  }
}

// Refuse here, where it can be said, what every verifier would.
function demandAtMost(count, most, what) {
  if (count > most) throw new PredicateError(`the copy would have ${count} ${what}, and verifiers take ${most}`);
}
