// Inspect: everything that a macaroon says, without asking anybody; and one button that asks.
import { BUILTIN, explain, scope, shown } from "./core/index.js";
import { addressSays } from "./page/address.js";
import { showAnswer, showDecoded, showNotAsked } from "./page/badges.js";
import { chain, mark } from "./page/chain.js";
import { element, found } from "./page/element.js";
import { TickingExpiry } from "./page/expiry.js";
import { refusal, showNoOutcome, showOutcome } from "./page/outcome.js";
import { ask } from "./page/question.js";
import { RequestForm } from "./page/request_form.js";
import { notices, scopeRemarks, scopeTable } from "./page/scope_view.js";
import { TokenField, formatName } from "./page/token_field.js";
import { vocabulary } from "./page/vocabulary.js";

const HEADLINE = found("outcome"),
  REFUSALS = found("refusals");
const NOTHING_SAID = HEADLINE.textContent;

const expiry = new TickingExpiry(found("expires"), found("expiry-said"));
const form = new RequestForm(found("what-if"), whatIf);
let held = null,
  heldText = "",
  words = BUILTIN;

addressSays();
new TokenField((macaroon, text, failure) => {
  [held, heldText] = [macaroon, text];
  showDecoded(macaroon, failure);
  forgetAnswer();
  found("nothing").hidden = macaroon !== null;
  found("found").hidden = macaroon === null;
  if (macaroon) show();
  else expiry.show(null);
});

// Nobody waits for it: until it is there, the words are those of the language.
vocabulary().then((known) => {
  words = known;
  form.know(known);
  if (held) show();
});

found("ask").addEventListener("click", async () => {
  const asked = held;
  found("ask").disabled = true;
  const answer = await ask(asked);
  if (held !== asked) return; // another one was pasted since
  found("ask").disabled = false;
  showAnswer(answer);
  found("answer").replaceChildren(
    element("p", {}, answer.text),
    ...(answer.unmet.length ? [element("ul", { class: "refusals" }, ...answer.unmet.map(refusal))] : []),
    ...(answer.reasons.length ? [element("ul", {}, ...answer.reasons.map((each) => element("li", {}, each)))] : []),
  );
});

found("now").addEventListener("click", () => {
  form.sayNow();
  whatIf();
});

found("forget").addEventListener("click", () => {
  form.clear();
  whatIf();
});

function forgetAnswer() {
  found("ask").disabled = held === null;
  showNotAsked();
  found("answer").replaceChildren();
}

function show() {
  const scoped = scope(held, words);
  expiry.show(scoped);
  found("size").textContent = `${formatName(held)}: ${heldText.length} characters, ${byteCount(held, heldText)} bytes`;
  found("location").textContent = shown(held.location) || "none";
  found("identifier").textContent = shown(held.identifier);
  found("chain").replaceChildren(chain(held, scoped, words));
  found("scope").replaceChildren(scopeTable(scoped), ...notices(scopeRemarks(scoped)));
  whatIf();
}

async function whatIf() {
  const asked = held;
  if (!asked) return;
  const facts = await form.read(asked);
  if (held !== asked) return;
  const explained = facts && !form.isEmpty ? explain(asked, facts, words) : [];
  mark(found("chain"), explained);
  if (!facts) showNoOutcome(HEADLINE, REFUSALS, "Mend what is marked above.");
  else if (form.isEmpty) showNoOutcome(HEADLINE, REFUSALS, NOTHING_SAID);
  else showOutcome(HEADLINE, REFUSALS, explained);
}

// Of base64 without padding, three bytes stand in four characters.
function byteCount(macaroon, text) {
  return macaroon.format === "json" ? new TextEncoder().encode(text).length : Math.floor((text.length * 3) / 4);
}
