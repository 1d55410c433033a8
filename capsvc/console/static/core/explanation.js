// The explanation: every caveat of a macaroon held against a request, in words that one can act on. Nothing is proven
// here, and what nothing proves permits nothing. Discharges are left to the command line.
import { AUTHORITY_CAVEATS, authority } from "./authority.js";
import { PredicateError } from "./errors.js";
import { readFacts } from "./facts.js";
import { isThirdParty } from "./macaroon.js";
import { NOT_UNDERSTOOD, shown } from "./predicate.js";
import { BUILTIN } from "./vocabulary.js";

/**
 * Hold every caveat of a macaroon against a request; decoded, not verified. The user and the audience are those that
 * the macaroon itself names, as for a verifier, unless the facts (see readFacts) say others.
 *
 * Gives for each caveat {position, predicate, whose, verdict, reason, instead}: "predicate" is printable and holds no
 * salt; "whose" is "service", "holder" or "third party"; "verdict" is "met", "unmet", "not understood", "needs a
 * discharge" or "decided by the salt column"; "reason" and "instead", what would have to differ, are empty where it is
 * met. Throws FactError.
 */
export function explain(macaroon, facts, vocabulary = BUILTIN) {
  const minted = authority(macaroon);
  const heard = new Map([...namedBy(minted), ...readFacts(vocabulary, facts)]);
  const salts = new Map();
  return Object.freeze(
    macaroon.caveats.map((caveat, position) => {
      if (isThirdParty(caveat)) return thirdPartys(caveat, position);
      const whose = minted && position < AUTHORITY_CAVEATS ? "service" : "holder";
      const [verdict, reason, instead] = judge(caveat.identifier, heard, vocabulary, salts);
      const predicate = shown(caveat.identifier);
      return Object.freeze({ position, predicate, whose, verdict, reason: shown(reason), instead: shown(instead) });
    }),
  );
}

function namedBy(minted) {
  if (!minted) return [];
  const { user, audience } = minted;
  return audience ? [["user", user], ["audience", new Set([audience])]] : [["user", user]];
}

function thirdPartys(caveat, position) {
  const where = shown(caveat.location) || "an unnamed place";
  return Object.freeze({
    position,
    predicate: `third party at ${where}`,
    whose: "third party",
    verdict: "needs a discharge",
    reason: "no discharge answers it",
    instead: `get one from ${where}`,
  });
}

function judge(identifier, facts, vocabulary, salts) {
  let predicate;
  try {
    predicate = vocabulary.parse(identifier);
  } catch (error) {
    if (!(error instanceof PredicateError)) throw error;
    return ["not understood", error.message, NOT_UNDERSTOOD];
  }
  if (predicate.attribute === "salt") {
    const { name, salt } = predicate.operand;
    if (!salts.has(name)) salts.set(name, salt);
    if (salts.get(name) !== salt) {
      return ["unmet", "an earlier caveat has another salt of that name", "use a copy without it"];
    }
    if (!facts.has("salt")) return ["decided by the salt column", "", ""];
  }
  const reason = predicate.refusal(facts);
  return reason === null ? ["met", "", ""] : ["unmet", reason, predicate.instead(facts)];
}
