// Narrow: from a token to a copy that may do less, in this page, and nobody is asked.
import {
  BUILTIN,
  PredicateError,
  ValueError,
  attenuate,
  authority,
  encode,
  parse,
  scope,
  shown,
} from "./core/index.js";
import { addressSays } from "./page/address.js";
import { Choices } from "./page/choices.js";
import { element, found } from "./page/element.js";
import { TickingExpiry, expiryOf } from "./page/expiry.js";
import { NarrowedCopy } from "./page/narrowed_copy.js";
import { RawPredicates } from "./page/raw_predicates.js";
import { notices, scopeRemarks, scopeTable } from "./page/scope_view.js";
import { readLink, writeLink } from "./page/template_link.js";
import { TokenField, counted } from "./page/token_field.js";
import { vocabulary } from "./page/vocabulary.js";

const PASTE = "Paste a macaroon above.";
const CHOOSE = "Say above what the copy may do.";

const [before, after] = [found("before"), found("after")];
const ticking = new Map([before, after].map((each) => [each, new TickingExpiry(found(`${each.id}-expires`))]));
const copy = new NarrowedCopy();
const choices = new Choices(update);
const raw = new RawPredicates(update);
const said = readLink(addressSays());
found("link-said").textContent = choices.fill(said);
raw.fill(said.raw);
let held = null,
  words = BUILTIN,
  latest = 0;

new TokenField((macaroon) => {
  held = macaroon;
  choices.suggest(macaroon);
  update();
});

// Nobody waits for it: until it is there, the words are those of the language.
vocabulary().then((known) => {
  words = known;
  update();
});

async function update() {
  const turn = (latest += 1);
  const chosen = choices.read(),
    lines = raw.read(words);
  showLink();
  showScope(before, held && scope(held, words), PASTE);
  const appended = [...chosen.predicates, ...lines.predicates];
  const why = !held ? PASTE : lacking(chosen.missing, lines.wrong, appended);
  const { narrowed, failure } = why ? { failure: why } : await cut(held, appended);
  if (turn !== latest) return; // it was changed again since
  const scoped = narrowed ? scope(narrowed, words) : null;
  const reasons = narrowed ? impossible(held, appended, scoped) : [];
  const text = narrowed && !reasons.length ? encode(narrowed) : "";
  showScope(after, scoped, failure, held && scope(held, words));
  found("warnings").replaceChildren(...notices(remarks(scoped, reasons, appended)));
  copy.show(
    text,
    text ? `${counted(appended.length, "caveat")} more, ${text.length} characters.` : "There is no copy yet.",
  );
  showName(text ? choices.revocableAs : "");
}

function lacking(missing, wrong, appended) {
  if (wrong.length)
    return `Mend ${wrong.length > 1 ? "lines" : "line"} ${wrong.join(", ")} of the raw predicates first.`;
  return missing || (appended.length ? "" : CHOOSE);
}

async function cut(macaroon, appended) {
  if (!isSecureContext) return { failure: "A browser signs only over https, or on this machine itself." };
  try {
    return { narrowed: await attenuate(macaroon, appended, words) };
  } catch (error) {
    if (!(error instanceof PredicateError || error instanceof ValueError)) throw error;
    return { failure: `There is no such copy: ${error.message}.` };
  }
}

// As the command line: a copy that nothing could ever permit is not made.
function impossible(macaroon, appended, scoped) {
  const reasons = scoped.contradictions.map(({ text }) => text);
  if (expiryOf(scoped).untilEnd <= 0 && expiryOf(scoped).end) reasons.push("it has expired");
  const minted = authority(macaroon);
  if (!minted) return reasons;
  // The audience stands in the identifier, which no scope of caveats sees.
  const facts = new Map(minted.audience ? [["audience", new Set([minted.audience])]] : []);
  for (const predicate of appended.map((text) => parse(text, words))) {
    if (predicate.attribute === "audience" && predicate.refusal(facts) !== null) {
      reasons.push(
        `${predicate}, but the token is for ${minted.audience ? `the audience ${minted.audience}` : "no audience"}`,
      );
    }
  }
  return reasons;
}

function remarks(scoped, reasons, appended) {
  if (!scoped) return [];
  if (reasons.length)
    return reasons.map((text) => ["bad", `There is no such copy: nothing would be permitted: ${text}.`]);
  const first = held.caveats.length;
  const empty = scoped.redundant
    .filter((position) => position >= first)
    .map((position) => [
      "warn",
      `Caveat ${position} changes nothing: ${shown(appended[position - first])}. Others say as much.`,
    ]);
  const strange = scopeRemarks({ ...scoped, redundant: [] });
  return [...strange, ...empty];
}

function showScope(where, scoped, otherwise, earlier = null) {
  const table = scoped ? scopeTable(scoped, earlier?.predicates) : element("p", { class: "quiet" }, otherwise);
  where.replaceChildren(table);
  ticking.get(where).show(scoped);
}

function showLink() {
  const link = writeLink(choices.said);
  found("link").textContent = link;
  found("link").href = link;
}

function showName(name) {
  const notice = found("name-notice");
  notice.hidden = !name;
  notice.replaceChildren(
    ...["To take this copy back, and no other, revoke ", element("code", {}, name)],
    ...[" under ", element("a", { href: "/mine" }, "Mine"), ". Write the name down: this page forgets it."],
  );
}
