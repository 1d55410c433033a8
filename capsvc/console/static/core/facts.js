// The facts of one request, each as its type reads it. What a request does not carry, it does not say.
import { FactError, ValueError } from "./errors.js";

/**
 * Read facts, named as the vocabulary's attributes, into a Map; null and undefined leave one out.
 * @param {Object|Map} facts time: Date, seconds or text; path: as on the wire, percent-encoded; body and query: their
 *   digest as text, see digest(); action, method, host, audience: one token or a list
 * Throws FactError for a fact that its type does not read, or that is not in the vocabulary.
 */
export function readFacts(vocabulary, facts) {
  const read = new Map();
  for (const [name, value] of facts instanceof Map ? facts : Object.entries(facts)) {
    if (value === null || value === undefined) continue;
    const type = vocabulary.type(name);
    if (!type) throw new FactError(`the vocabulary has no attribute ${name}`);
    try {
      read.set(name, type.fact(value));
    } catch (error) {
      throw error instanceof ValueError ? new FactError(`${name}: ${error.message}`) : error;
    }
  }
  return read;
}
