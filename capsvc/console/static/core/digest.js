// A SHA-256 digest as "sha-256:" and 43 characters of URL-safe base64.
import { AttributeType, oneOf, only } from "./attribute.js";
import { webCrypto } from "./chain.js";
import { encodeBase64, fixedBase64, writeUtf8 } from "./encoding.js";
import { FactError, ValueError } from "./errors.js";

const PREFIX = "sha-256:";

/** Digest bytes, or the UTF-8 of a text, as a caveat and a fact have it; a promise of the text. */
export async function digest(what) {
  const raw = typeof what === "string" ? writeUtf8(what) : what;
  return PREFIX + encodeBase64(new Uint8Array(await webCrypto().digest("SHA-256", raw)));
}

/** The type of a digest. A fact is the digest as text, since WebCrypto computes one only later. */
export class Digest extends AttributeType {
  constructor() {
    super("digest", ["="]);
  }

  absent(attribute) {
    const other = `use a copy that does not bind the ${attribute} where whoever verifies cannot see it`;
    return `say the ${attribute}, or ${other}`;
  }

  operand(_operator, items) {
    return this.fact(only(items));
  }

  fact(value) {
    if (typeof value !== "string") throw new FactError("a digest is text; what is to be digested is bytes");
    const isPrefixed = value.startsWith(PREFIX);
    const spelled = isPrefixed ? value.slice(PREFIX.length) : value;
    fixedBase64(spelled, 32, "a digest is sha-256: and 43 characters of base64");
    if (!isPrefixed) throw new ValueError("a digest begins with sha-256:");
    return value;
  }

  refusal(_operator, operand, fact) {
    return fact === operand ? null : `it is ${fact}`;
  }

  meet(demands) {
    const digests = new Set(demands.map(([, operand]) => operand));
    return digests.size === 1 ? oneOf([...digests]) : null;
  }

  instead(_operator, items) {
    return `send what has the digest ${items[0]}`;
  }
}
