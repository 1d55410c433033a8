// What a request would meet: how many caveats refuse it, which, why, and what would have to differ.
import { element, say } from "./element.js";
import { counted } from "./token_field.js";

const SETTLED = ["met", "decided by the salt column"];

/**
 * Show what became of each caveat.
 * @param {Element} headline where it is said in one sentence
 * @param {Element} list where each refusal is explained
 */
export function showOutcome(headline, list, explained) {
  const refusals = explained.filter(({ verdict }) => !SETTLED.includes(verdict));
  const undecided = explained.filter(({ verdict }) => verdict === SETTLED[1]);
  const rest = undecided.length ? " Whether it was taken back, the service alone can say." : "";
  say(headline, refusals.length ? `Refused by ${counted(refusals.length, "caveat")}.` : `No caveat refuses it.${rest}`);
  headline.dataset.kind = refusals.length ? "bad" : "good";
  list.replaceChildren(...refusals.map(refusal));
}

/** Say that there is nothing to tell, and why. */
export function showNoOutcome(headline, list, why) {
  say(headline, why);
  headline.dataset.kind = "";
  list.replaceChildren();
}

/** Make the item of one refusal, as `explain` and the service tell it. */
export function refusal({ position, predicate, reason, instead }) {
  const what = element("p", {}, `Caveat ${position}: `, element("code", {}, predicate));
  const why = element("p", { class: "quiet" }, [reason, instead].filter(Boolean).join("; "));
  return element("li", {}, what, why);
}
