// The request that a "what if" asks about: one field a fact, and empty means that the request does not say it.
import { BUILTIN, FactError, digest, explain, timeText } from "../core/index.js";
import { element } from "./element.js";
import { tell } from "./field.js";

const FIELDS = [
  ["method", "such as GET"],
  ["host", "such as api.example"],
  ["path", "such as /docs/7"],
  ["query", "such as page=2"],
  ["ip", "such as 192.0.2.7"],
  ["action", "such as read list"],
  ["resource", "such as projects/42"],
  ["time", "2026-12-22T06:00:00Z"],
];

/** The form. It sends nothing: it has no form element, and its fields no names. */
export class RequestForm {
  #fields = new Map();
  #words = BUILTIN;
  #where;
  #changed;

  /**
   * @param {Element} where
   * @param {() => void} changed told of each change
   */
  constructor(where, changed) {
    [this.#where, this.#changed] = [where, changed];
    for (const [name, hint] of FIELDS) this.#add(name, hint);
  }

  /** Know a vocabulary: what an application declared in it has a field too. */
  know(words) {
    this.#words = words;
    const declared = words.names.filter((name) => !BUILTIN.names.includes(name));
    for (const name of declared) this.#add(name, `a ${words.type(name).name}`);
  }

  /** Put the present time into its field. */
  sayNow() {
    this.#fields.get("time").input.value = timeText(Date.now() / 1000);
  }

  /** Empty every field. */
  clear() {
    for (const { input } of this.#fields.values()) input.value = "";
  }

  /** Tell whether nothing is said. */
  get isEmpty() {
    return [...this.#fields.values()].every(({ input }) => !input.value.trim());
  }

  /**
   * Read the facts; what is wrong is said beside its field. A promise of the facts, and of null where one is wrong.
   * @param {object} macaroon what they will be held against
   */
  async read(macaroon) {
    const facts = {};
    let isRight = true;
    for (const [name, { input, said, hint }] of this.#fields) {
      const value = input.value.trim();
      const fact = value ? { [name]: await this.#fact(name, value) } : {};
      const failure = this.#failure(macaroon, fact);
      tell(input, said, hint, failure);
      isRight &&= !failure;
      Object.assign(facts, fact);
    }
    return isRight ? facts : null;
  }

  #add(name, hint) {
    const id = `fact-${name}`,
      described = `${id}-said`;
    const plain = { autocomplete: "off", autocapitalize: "none", spellcheck: "false" };
    const input = element("input", { id, class: "code", "aria-describedby": described, ...plain });
    const said = element("p", { id: described, class: "hint said" }, hint);
    input.addEventListener("input", this.#changed);
    this.#fields.set(name, { input, said, hint });
    this.#where.append(element("div", { class: "field" }, element("label", { for: id }, name), input, said));
  }

  async #fact(name, value) {
    if (name === "method" || this.#words.type(name).name !== "tokens") {
      // What stands in a caveat is the digest; a person has the query itself.
      return name === "query" ? digest(value) : value;
    }
    return value.split(/\s+/);
  }

  #failure(macaroon, fact) {
    try {
      explain(macaroon, fact, this.#words);
      return "";
    } catch (error) {
      if (!(error instanceof FactError)) throw error;
      return error.message;
    }
  }
}
