// The chain: every caveat in its order, whose it is, and the signature that runs down through all of them.
import { explain, shown } from "../core/index.js";
import { element } from "./element.js";

/** Make the picture of a macaroon's chain; its scope says what is redundant, contradictory or not understood. */
export function chain(macaroon, scope, words) {
  const remarks = remarksOf(scope);
  const links = explain(macaroon, {}, words).map(({ position, predicate, whose }) =>
    element(
      "li",
      { class: "link", "data-whose": whose, "data-position": String(position) },
      element("span", { class: "node" }, String(position)),
      element(
        "div",
        { class: "what" },
        named(predicate),
        " ",
        element("span", { class: "whose" }, whose, " ", element("span", { class: "verdict" })),
        ...(remarks.get(position) ?? []).map((text) => element("p", { class: "remark" }, text)),
      ),
    ),
  );
  return element(
    "div",
    { class: "chain" },
    end("start", "A root key that the service alone has signs ", element("code", {}, shown(macaroon.identifier))),
    element("ol", { start: "0", role: "list" }, ...links),
    end(
      "end",
      "The signature, ",
      element("code", {}, fingerprint(macaroon.signature)),
      ", is the last step's: with it anybody can add a caveat, and nobody can take one out",
    ),
  );
}

/** Mark each link of a chain with the verdict that it got; without verdicts, unmark all. */
export function mark(where, explained) {
  const verdicts = new Map(explained.map(({ position, verdict }) => [position, verdict]));
  for (const link of where.querySelectorAll(".link")) {
    const verdict = verdicts.get(Number(link.dataset.position)) ?? "";
    link.dataset.verdict = verdict;
    link.querySelector(".verdict").textContent = verdict;
  }
}

function end(kind, ...children) {
  return element(
    "p",
    { class: `chain-end ${kind}` },
    element("span", { class: "node", "aria-hidden": "true" }),
    element("span", { class: "what quiet" }, ...children),
  );
}

function named(predicate) {
  const space = predicate.indexOf(" ");
  if (space < 0) return element("code", { class: "predicate" }, predicate);
  return element("code", { class: "predicate" }, element("b", {}, predicate.slice(0, space)), predicate.slice(space));
}

// Enough to tell two tokens apart, and nothing to sign with.
function fingerprint(signature) {
  return `${[...signature.slice(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join("")}…`;
}

function remarksOf({ redundant, contradictions, notUnderstood }) {
  const remarks = new Map();
  const add = (position, text) => remarks.set(position, [...(remarks.get(position) ?? []), text]);
  for (const position of redundant) add(position, "changes nothing");
  for (const { positions } of contradictions) {
    for (const position of positions) {
      const others = positions.filter((each) => each !== position);
      add(position, others.length ? `contradicts ${others.join(", ")}` : "can never be met");
    }
  }
  for (const { position, reason } of notUnderstood) add(position, `not understood: ${reason}`);
  return remarks;
}
