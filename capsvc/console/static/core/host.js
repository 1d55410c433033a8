// Hosts: lower case, A-labels, without the default port of their scheme.
import { ValueError } from "./errors.js";
import { TokenSet } from "./tokens.js";

const HOST = /^[\x20-\x40\x5b-\x7e]*$/;

/** The type of a set of hosts. */
export class Host extends TokenSet {
  constructor() {
    super("host");
  }

  token(value) {
    if (!HOST.test(super.token(value))) {
      throw new ValueError("a host is lower case and written in A-labels (xn--…)");
    }
    return value;
  }
}
