// Authority: what a service put into a macaroon, as against its holder. It is read from the identifier and from the
// first five caveats; whatever comes after only narrows (law 4).
import { readUtf8 } from "./encoding.js";
import { PredicateError } from "./errors.js";
import { isThirdParty } from "./macaroon.js";
import { BUILTIN } from "./vocabulary.js";

const IDENTIFIER = /^(k[1-9][0-9]{0,8})(?:\/([a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?))?$/;
const SHAPE = ["nonce =", "user =", "salt =", "time >=", "time <"];

/** How many caveats a service mints. */
export const AUTHORITY_CAVEATS = SHAPE.length;

/**
 * Read what a service seems to say in a macaroon. Only the shape is looked at and nothing is proven: anybody can write
 * the same. Gives {keyId, audience, nonce, user, saltName, notBefore, notAfter}, the audience null for none; or null
 * where it is not of a service's shape.
 */
export function authority(macaroon) {
  const named = IDENTIFIER.exec(readUtf8(macaroon.identifier) ?? "");
  const first = macaroon.caveats.slice(0, AUTHORITY_CAVEATS);
  if (!named || first.some(isThirdParty)) return null;
  const predicates = understood(first);
  const shape = predicates?.map(({ attribute, operator }) => `${attribute} ${operator}`);
  if (shape?.join() !== SHAPE.join()) return null;
  const [nonce, user, salt, begins, ends] = predicates;
  return Object.freeze({
    keyId: named[1],
    audience: named[2] ?? null,
    nonce: nonce.operand,
    user: user.items[0],
    saltName: salt.operand.name,
    notBefore: begins.operand,
    notAfter: ends.operand,
  });
}

function understood(caveats) {
  try {
    return caveats.map(({ identifier }) => BUILTIN.parse(identifier));
  } catch (error) {
    if (error instanceof PredicateError) return null;
    throw error;
  }
}
