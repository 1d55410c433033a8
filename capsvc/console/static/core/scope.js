// The scope: what a macaroon can still do, as the meet of its caveats, attribute by attribute. It proves nothing.
import { PredicateError } from "./errors.js";
import { isThirdParty } from "./macaroon.js";
import { Predicate, shown } from "./predicate.js";
import { BUILTIN } from "./vocabulary.js";

/**
 * What can still be done, and what of the caveats matters for it. "predicates" are the texts of the weakest that
 * together say the same, the attributes in order of appearance; that of a salt holds the salt: show it by shown().
 * "redundant" are the positions of caveats that the others on their attribute imply: without all of them the scope is
 * the same. "contradictions" and "notUnderstood" permit nothing; "thirdParties" are conditions that come on top.
 */
export class Scope {
  #predicates;
  #thirdParties;

  constructor(predicates, redundant, contradictions, notUnderstood, thirdParties) {
    this.#predicates = predicates;
    this.#thirdParties = thirdParties;
    this.predicates = frozen(predicates.map(String));
    this.redundant = Object.freeze(redundant);
    this.contradictions = frozen(contradictions);
    this.notUnderstood = frozen(notUnderstood);
    this.thirdParties = frozen(thirdParties.map(({ position, caveat }) => ({ position, location: caveat.location })));
    this.permitsNothing = contradictions.length + notUnderstood.length > 0;
    Object.freeze(this);
  }

  /**
   * Tell whether every request that this permits, the other permits too: so it is of a scope and itself, and of one
   * that permits nothing and any other. Each third-party caveat of the other has to stand here too.
   */
  isNarrowerThan(other) {
    if (this.permitsNothing || other.permitsNothing) return this.permitsNothing;
    const here = new Set(this.#thirdParties.map(keyOf));
    if (!other.#thirdParties.every((each) => here.has(keyOf(each)))) return false;
    const both = groupsOf([...this.#predicates, ...other.#predicates].entries());
    const alone = groupsOf(this.#predicates.entries());
    return both.length === alone.length && both.every((group, at) => isSame(meetOf(group), meetOf(alone[at])));
  }
}

/**
 * Compute what a macaroon as decode() gives it, or a list of predicates' texts, can still do in a vocabulary. What is
 * not understood permits nothing (law 3).
 */
export function scope(of, vocabulary = BUILTIN) {
  if (!Array.isArray(of) && !Array.isArray(of?.caveats)) throw new TypeError("a scope is of a macaroon or a list");
  const caveats = [...(of.caveats ?? of).entries()];
  const isOfThirdParty = ([, caveat]) => Boolean(of.caveats) && isThirdParty(caveat);
  const understood = new Map(), notUnderstood = [];
  for (const [position, caveat] of caveats.filter((each) => !isOfThirdParty(each))) {
    const text = of.caveats ? caveat.identifier : asText(caveat);
    try {
      understood.set(position, vocabulary.parse(text));
    } catch (error) {
      if (!(error instanceof PredicateError)) throw error;
      notUnderstood.push({ position, predicate: shown(text), reason: error.message });
    }
  }
  const predicates = [], contradictions = [], redundant = [];
  for (const group of groupsOf(understood)) {
    const met = meetOf(group);
    const needed = group.type.needsFact ? neededOf(group, met) : group.placed;
    redundant.push(...[...group.placed.keys()].filter((position) => !needed.has(position)));
    if (met === null) contradictions.push(contradictionOf(group.attribute, [...needed.keys()]));
    else predicates.push(...met);
  }
  redundant.sort((one, other) => one - other);
  const thirdParties = caveats.filter(isOfThirdParty).map(([position, caveat]) => ({ position, caveat }));
  return new Scope(predicates, redundant, contradictions, notUnderstood, thirdParties);
}

/** Tell whether every request that one permits, the other permits too; each a scope, or what one is computed from. */
export function isNarrowerThan(one, other, vocabulary = BUILTIN) {
  const [a, b] = [one, other].map((each) => (each instanceof Scope ? each : scope(each, vocabulary)));
  return a.isNarrowerThan(b);
}

function asText(predicate) {
  return predicate instanceof Uint8Array ? predicate : String(predicate);
}

function contradictionOf(attribute, positions) {
  const said =
    positions.length > 1
      ? `caveats ${positions.join(", ")} contradict each other`
      : `caveat ${positions[0]} can never be met`;
  return { attribute, positions: Object.freeze(positions), text: `${attribute}: ${said}` };
}

function frozen(list) {
  return Object.freeze(list.map(Object.freeze));
}

function keyOf({ caveat }) {
  return `${caveat.identifier} ${caveat.verificationId}`;
}

// The predicates of one attribute and type, by position, in order of appearance.
function groupsOf(placed) {
  const groups = [];
  for (const [position, predicate] of placed) {
    const { attribute, type } = predicate;
    let group = groups.find((each) => each.attribute === attribute && each.type === type);
    if (!group) groups.push((group = { attribute, type, placed: new Map() }));
    group.placed.set(position, predicate);
  }
  return groups;
}

// The weakest predicates that imply all of one group; null where no request meets them all.
function meetOf({ attribute, type, placed }) {
  const written = type.meet(Array.from(placed.values(), ({ operator, operand }) => [operator, operand]));
  return written && written.map(([operator, items]) => new Predicate(attribute, type, operator, items));
}

function isSame(one, other) {
  return one === null || other === null ? one === other : one.join("\n") === other.join("\n");
}

// Leaves out, the last first, whatever the meet is the same without. The meet of meets is the meet of all, so each is
// made of two: of all that stand before, and of what stands behind and was kept.
function neededOf({ attribute, type, placed }, met) {
  const both = (one, other) => {
    if (one === null || other === null) return null;
    const all = [...one, ...other];
    return all.length ? meetOf({ attribute, type, placed: new Map(all.entries()) }) : all;
  };
  const before = [[]];
  for (const predicate of placed.values()) before.push(both(before.at(-1), [predicate]));
  let kept = [];
  const needed = [];
  for (const [position, predicate] of [...placed].reverse()) {
    before.pop();
    const earlier = before.at(-1);
    const isAlone = !needed.length && earlier !== null && !earlier.length;
    if (!isAlone && isSame(both(earlier, kept), met)) continue;
    needed.push([position, predicate]);
    kept = both([predicate], kept);
  }
  return new Map(needed.reverse());
}
