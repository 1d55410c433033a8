// A scope for a person: one row an attribute, and in words what is wrong with the caveats.
import { shown } from "../core/index.js";
import { element } from "./element.js";

const WORDS = {
  "=": "is",
  in: "is one of",
  "^=": "is under",
  "<": "is below",
  "<=": "is at most",
  ">": "is above",
  ">=": "is at least",
};
const OF_TIME = { "<": "is before", ">=": "is not before" };

/**
 * Make the table of a scope.
 * @param {object} scope
 * @param {string[]} before predicates that were there already; the rows of all others stand out
 */
export function scopeTable(scope, before = null) {
  if (scope.permitsNothing) return element("p", { class: "nothing" }, "Nothing at all.");
  const conditions = scope.predicates.map((predicate) => row(predicate, before && !before.includes(predicate)));
  const thirdParties = scope.thirdParties.map(({ location }) => thirdPartyRow(location));
  if (!conditions.length && !thirdParties.length) return element("p", {}, "Everything: no caveat narrows it.");
  return element(
    "table",
    { class: "scope" },
    element("caption", {}, "A request is permitted if all of this is so:"),
    element("tbody", {}, ...conditions, ...thirdParties),
  );
}

/** List in words what is wrong with the caveats of a scope, each with how bad it is: "bad", "warn" or "". */
export function scopeRemarks(scope) {
  const isOne = scope.redundant.length === 1;
  const which = `${isOne ? "Caveat" : "Caveats"} ${scope.redundant.join(", ")}`;
  const redundant = `${which} ${isOne ? "changes" : "change"} nothing: others say as much.`;
  return [
    ...scope.notUnderstood.map(({ position, predicate, reason }) => [
      "bad",
      `Caveat ${position} is not understood here, and forbids everything: ${predicate}: ${reason}.`,
    ]),
    ...scope.contradictions.map(({ text }) => ["bad", `Nothing is permitted: ${text}.`]),
    ...(scope.redundant.length ? [["", redundant]] : []),
  ];
}

/** Make one notice for each remark. */
export function notices(remarks) {
  return remarks.map(([kind, text]) => element("p", { class: `notice ${kind}`.trim() }, text));
}

function row(predicate, isNew) {
  const [attribute, operator, ...items] = shown(predicate).split(" ");
  const words = (attribute === "time" ? OF_TIME : WORDS)[operator] ?? operator;
  return element(
    "tr",
    isNew ? { class: "new" } : {},
    element("th", { scope: "row" }, attribute),
    element(
      "td",
      {},
      element("span", { class: "quiet" }, words),
      ...items.flatMap((item) => [" ", element("code", {}, item)]),
    ),
  );
}

function thirdPartyRow(location) {
  const where = shown(location) || "a third party";
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, "discharge"),
    element("td", {}, `from ${where} is sent along`),
  );
}
