// Paths, compared as the application will see them: decoded once, by whole segments. Where servers and applications
// read one path differently, a rule can be walked around, so what could be read in two ways meets no caveat.
import { AttributeType, common, either, oneOf, only, sorted } from "./attribute.js";
import { hasHalfCharacter, readUtf8 } from "./encoding.js";
import { FactError, ValueError } from "./errors.js";
import { meet, outermost, under } from "./prefixes.js";

const PERCENT = 0x25, SLASH = 0x2f, BACKSLASH = 0x5c, QUESTION_MARK = 0x3f, HASH = 0x23;
const SECOND_ENCODING = /%(?:2e|2f|5c)/i;
const DOT_SEGMENT = /^\.\.?(?:;[^]*)?$/;

// A path ready to compare, or why it meets no caveat: "text" is exact, "stem" without its trailing slash.
function plain(text, isAbsolute) {
  return { text, stem: text.endsWith("/") ? text.slice(0, -1) : text, problem: problemOf(text, isAbsolute) };
}

// A path of what stands between host and "?" in a request line.
function fromWire(raw) {
  const isWhole = typeof raw !== "string" || !hasHalfCharacter(raw);
  const bytes = typeof raw === "string" ? new TextEncoder().encode(raw) : raw;
  const decoded = [], seen = new Set();
  for (let at = 0; at < bytes.length; at++) {
    let byte = bytes[at];
    if (byte === QUESTION_MARK || byte === HASH) seen.add("query");
    if (byte === PERCENT) {
      const digits = String.fromCharCode(...bytes.subarray(at + 1, at + 3));
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return unread("the request's path has a % that starts no escape");
      byte = parseInt(digits, 16);
      if (byte === SLASH || byte === BACKSLASH) seen.add("separator");
      at += 2;
    }
    decoded.push(byte);
  }
  if (seen.has("separator")) return unread("the request's path has an encoded slash or backslash");
  if (seen.has("query")) return unread("the request's path holds a query or a fragment");
  const text = isWhole ? readUtf8(Uint8Array.from(decoded)) : null;
  return text === null ? unread("the request's path is not UTF-8") : plain(text, true);
}

function unread(problem) {
  return { text: "", stem: "", problem };
}

function problemOf(text, isAbsolute) {
  if (isAbsolute && !text.startsWith("/")) return "a path begins with /";
  if (!isAbsolute && (!text || text.startsWith("/"))) return "a resource does not begin with / and is not empty";
  if (SECOND_ENCODING.test(text)) return "%2e, %2f or %5c in the path, which somebody might decode once more";
  if (text.includes("\0") || text.includes("\\")) return "a NUL or a backslash in the path";
  const segments = text.split("/").slice(isAbsolute ? 1 : 0);
  if (segments.slice(0, -1).includes("")) return "an empty segment in the path";
  return segments.some((segment) => DOT_SEGMENT.test(segment)) ? "a dot segment in the path" : "";
}

function isUnder(path, prefix) {
  return path.stem === prefix.stem || !prefix.stem || path.stem.startsWith(`${prefix.stem}/`);
}

// With a slash at its end the key of a path is a prefix of another's exactly where its segments are.
function keyOf(path) {
  return `${path.stem}/`;
}

/** The type of a path: of a request (absolute, as on the wire) or of a resource (relative). */
export class PathType extends AttributeType {
  #isAbsolute;

  constructor(isAbsolute) {
    super("path", ["=", "^=", "in"]);
    this.#isAbsolute = isAbsolute;
  }

  operand(operator, items) {
    const paths = (operator === "=" ? [only(items)] : items).map((item) => plain(item, this.#isAbsolute));
    for (const { problem } of paths) if (problem) throw new ValueError(problem);
    return paths;
  }

  /** A request's path as on the wire, percent-encoded, text or bytes; a resource as the application names it. */
  fact(value) {
    const isText = typeof value === "string";
    if (!isText && !(value instanceof Uint8Array)) throw new FactError("a path is str or bytes");
    if (this.#isAbsolute) return fromWire(value);
    if (!isText) throw new FactError("a resource is a str");
    return plain(value, false);
  }

  refusal(operator, operand, fact) {
    if (fact.problem) return fact.problem;
    const isMet = operand.some((path) => fact.text === path.text || (operator === "^=" && isUnder(fact, path)));
    return isMet ? null : `it is ${fact.text}`;
  }

  // What one demand lists exactly can only be listed exactly in the meet; else there are prefixes alone.
  meet(demands) {
    const lists = demands.filter(([operator]) => operator !== "^=").map(([, paths]) => paths);
    const trees = demands.filter(([operator]) => operator === "^=").map(([, paths]) => new Set(paths.map(keyOf)));
    if (!lists.length) {
      const met = outermost(trees.reduce(meet));
      return met.size ? [["^=", sorted(Array.from(met, (key) => key.slice(0, -1) || "/"))]] : null;
    }
    const keys = new Map(lists[0].map((path) => [path.text, keyOf(path)]));
    const texts = common(lists.map((paths) => new Set(paths.map((path) => path.text))));
    const inside = trees.map((tree) => under(keys.values(), tree));
    return oneOf(sorted([...texts].filter((text) => inside.every((each) => each.has(keys.get(text))))));
  }

  instead(operator, items, fact) {
    const phrase = `${operator === "^=" ? "stay under" : "ask for"} ${either(items)}`;
    return fact.problem ? `write it so that it reads in one way only, and ${phrase}` : phrase;
  }
}
