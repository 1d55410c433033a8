// Raw predicates for experts: one a line, and beside a line what is wrong with it.
import { PredicateError, parse } from "../core/index.js";
import { element, found } from "./element.js";

/** The field and its remarks. */
export class RawPredicates {
  #area = found("raw");
  #remarks = found("raw-said");

  /** @param {() => void} changed told of each change */
  constructor(changed) {
    this.#area.addEventListener("input", changed);
    // A remark stands beside its line, and has to go where that goes.
    this.#area.addEventListener("scroll", () => {
      this.#remarks.scrollTop = this.#area.scrollTop;
    });
  }

  /** Put lines in, and open what they stand in. */
  fill(lines) {
    if (!lines.length) return;
    this.#area.value = lines.join("\n");
    found("experts").open = true;
  }

  /**
   * Read the lines in a vocabulary, empty ones left out.
   * @returns {{predicates: string[], wrong: number[]}} wrong: the numbers of lines, from 1, that are no predicates
   */
  read(words) {
    const lines = this.#area.value.split("\n").map((each) => each.trim());
    const failures = lines.map((line) => (line ? failureOf(line, words) : ""));
    this.#remarks.replaceChildren(
      ...failures.map((failure, at) =>
        element("li", failure ? { class: "error" } : {}, failure && `Line ${at + 1}: ${failure}`),
      ),
    );
    this.#area.setAttribute("aria-invalid", String(failures.some(Boolean)));
    const wrong = failures.flatMap((failure, at) => (failure ? [at + 1] : []));
    return { predicates: lines.filter((line, at) => line && !failures[at]), wrong };
  }
}

function failureOf(line, words) {
  try {
    parse(line, words);
    return "";
  } catch (error) {
    if (!(error instanceof PredicateError)) throw error;
    return error.message;
  }
}
