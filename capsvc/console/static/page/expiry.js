// The window of a macaroon, as its scope has it, told by the clock of this machine.
import { element, say } from "./element.js";
import { inWords } from "./span.js";

const ENDS = "time < ",
  BEGINS = "time >= ";
// Before the end it is announced at these many seconds; what ticks each second is not read aloud.
const WARNINGS = [300, 60, 0];

/** Tell where in time a scope lies: when it begins and ends, and in how many seconds; null where it does not say. */
export function expiryOf({ predicates }, now = Date.now()) {
  const end = said(predicates, ENDS),
    begin = said(predicates, BEGINS);
  return { begin, end, untilBegin: secondsUntil(begin, now), untilEnd: secondsUntil(end, now) };
}

/** Say an expiry in one phrase. */
export function expiryText({ end, untilBegin, untilEnd }) {
  if (untilBegin > 0) return `begins in ${inWords(untilBegin)}`;
  if (end === null) return "never, by itself";
  return untilEnd > 0 ? `in ${inWords(untilEnd)}` : `expired ${inWords(-untilEnd)} ago`;
}

/** An expiry that ticks in one element, and is announced now and then in another, if there is one. */
export class TickingExpiry {
  #where;
  #announced;
  #scope = null;
  #before = Infinity;

  constructor(where, announced = element("p")) {
    [this.#where, this.#announced] = [where, announced];
    setInterval(() => this.#tick(), 1000);
  }

  /** Show the expiry of a scope; of null, none. */
  show(scope) {
    this.#scope = scope;
    this.#where.replaceChildren(...(scope ? [] : ["–"]));
    this.#announced.textContent = "";
    this.#before = Infinity;
    this.#tick();
  }

  #tick() {
    if (!this.#scope) return;
    const expiry = expiryOf(this.#scope);
    const text = this.#scope.permitsNothing && expiry.end === null ? "it permits nothing" : expiryText(expiry);
    if (!this.#where.firstChild) {
      const exact = expiry.end ? [element("time", { class: "quiet", datetime: expiry.end }, expiry.end)] : [];
      this.#where.append(element("strong"), " ", ...exact);
    }
    say(this.#where.firstChild, text);
    this.#where.firstChild.classList.toggle("over", expiry.untilEnd !== null && expiry.untilEnd <= 0);
    this.#announce(expiry.untilEnd, text);
  }

  #announce(left, text) {
    if (left === null) return;
    const isDue = WARNINGS.some((seconds) => left <= seconds && this.#before > seconds);
    if (isDue) say(this.#announced, left > 0 ? `The macaroon expires ${text}.` : "The macaroon has expired.");
    this.#before = left;
  }
}

function said(predicates, start) {
  return predicates.find((each) => each.startsWith(start))?.slice(start.length) ?? null;
}

function secondsUntil(time, now) {
  return time === null ? null : Math.round(Date.parse(time) / 1000) - Math.floor(now / 1000);
}
