// Text of any of the three formats. JSON leaves the order of members and white space free: it is read and normalised,
// and no service takes it over HTTP.
import { countCharacters, decodeBase64, encodeBase64, hasHalfCharacter, readUtf8, writeUtf8 } from "./encoding.js";
import { DecodeError, ValueError } from "./errors.js";
import { LIMITS, SIGNATURE_BYTES, caveatOf, macaroonOf } from "./macaroon.js";
import { decodeText, encodeText, thirdPartysLocation } from "./wire.js";

const ROOT_MEMBERS = new Set(["v", "l", "i", "i64", "c", "s", "s64"]);
const CAVEAT_MEMBERS = new Set(["i", "i64", "v", "v64", "l"]);
const SPACE = /[ \t\n\r]*/y;
// JSON.parse takes a member twice, and 2.0 for 2; so it reads strings alone. A string has one way to match.
const TOKEN =
  /[{}[\],:]|"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"|-?(?:0|[1-9][0-9]*)(?![.0-9Ee])/y;

/**
 * Read a macaroon from text of format 1, 2 or 2-JSON, of at most 8192 characters, in time linear in them. Throws
 * DecodeError, with the reason, for whatever is none in its one spelling; white space around it is not trimmed.
 */
export function decode(text) {
  if (typeof text !== "string") throw new TypeError("a macaroon is decoded from text");
  if (text.length > 2 * LIMITS.characters || countCharacters(text) > LIMITS.characters) {
    throw new DecodeError(`a token has at most ${LIMITS.characters} characters`);
  }
  return text.startsWith("{") ? decodeJson(text) : decodeText(text);
}

/**
 * Write a macaroon as text of a format: 1, 2 or "json". Throws ValueError for a field too long for format 1, and
 * TypeError for another format.
 */
export function encode(macaroon, format = macaroon.format) {
  if (format === "json") return encodeJson(macaroon);
  if (format !== 1 && format !== 2) throw new TypeError('a format is 1, 2 or "json"');
  return encodeText(macaroon, format);
}

// Members that are undefined are left out.
function encodeJson(macaroon) {
  return JSON.stringify({
    v: 2,
    l: whole(macaroon.location, ValueError) || undefined,
    ...member("i", macaroon.identifier),
    c: macaroon.caveats.map((caveat) => ({
      ...member("i", caveat.identifier),
      v64: encodeBase64(caveat.verificationId) || undefined,
      l: caveat.location ? whole(thirdPartysLocation(caveat), ValueError) : undefined,
    })),
    s64: encodeBase64(macaroon.signature),
  });
}

function member(name, raw) {
  const text = readUtf8(raw);
  return text === null ? { [`${name}64`]: encodeBase64(raw) } : { [name]: text };
}

function whole(text, Kind = DecodeError) {
  if (hasHalfCharacter(text)) throw new Kind("text that is not Unicode");
  return text;
}

function decodeJson(text) {
  // A half that stands in the text could meet a half that is escaped, and be whole here and nowhere else.
  const tokens = tokensOf(whole(text));
  demand(tokens.next().value, "{");
  const members = readMembers(tokens, ROOT_MEMBERS, readRootValue);
  if (!tokens.next().done) throw new DecodeError("not JSON");
  const signature = bytesOf(members, "s");
  if (signature.length !== SIGNATURE_BYTES) throw new DecodeError("a signature of 32 bytes is missing");
  const caveats = (members.get("c") ?? []).map(caveatRead);
  return macaroonOf("json", locationOf(members), bytesOf(members, "i"), caveats, signature);
}

function* tokensOf(text) {
  let at = 0;
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (!found) throw new DecodeError("not JSON");
    at += found[0].length;
    return found[0];
  };
  for (take(SPACE); at < text.length; take(SPACE)) yield take(TOKEN);
}

// Reads what follows "{" into a Map: a name such as __proto__ is a name like any other, and unknown.
function readMembers(tokens, known, readValue) {
  const members = new Map();
  let token = tokens.next().value;
  if (token === "}") return members;
  for (;;) {
    const name = readString(token);
    if (members.has(name)) throw new DecodeError("a member stands twice");
    if (!known.has(name)) throw new DecodeError("a member that format 2 does not have");
    demand(tokens.next().value, ":");
    members.set(name, readValue(tokens, name));
    token = tokens.next().value;
    if (token === "}") return members;
    demand(token, ",");
    token = tokens.next().value;
  }
}

function readRootValue(tokens, name) {
  const token = tokens.next().value;
  if (name === "c") return readCaveats(tokens, token);
  if (name !== "v") return readString(token);
  if (token !== "2") throw new DecodeError("not JSON of format 2");
  return 2;
}

function readCaveats(tokens, first) {
  if (first !== "[") throw new DecodeError("the caveats are not a list");
  const caveats = [];
  let token = tokens.next().value;
  if (token === "]") return caveats;
  for (;;) {
    if (caveats.length >= LIMITS.caveats) throw new DecodeError(`a macaroon has at most ${LIMITS.caveats} caveats`);
    demand(token, "{");
    caveats.push(readMembers(tokens, CAVEAT_MEMBERS, (rest) => readString(rest.next().value)));
    token = tokens.next().value;
    if (token === "]") return caveats;
    demand(token, ",");
    token = tokens.next().value;
  }
}

function readString(token) {
  if (!token?.startsWith('"')) throw new DecodeError("a member's name or value is missing or not text");
  return JSON.parse(token);
}

function demand(token, expected) {
  if (token !== expected) throw new DecodeError("not JSON");
}

function caveatRead(members) {
  const isThird = members.has("v") || members.has("v64");
  const verificationId = isThird ? bytesOf(members, "v") : new Uint8Array();
  if (isThird && !verificationId.length) throw new DecodeError("an empty verification id");
  if (members.has("l") && !isThird) throw new DecodeError("a first-party caveat has no location");
  return caveatOf(bytesOf(members, "i"), verificationId, locationOf(members));
}

function bytesOf(members, name) {
  const asText = members.get(name), asBase64 = members.get(`${name}64`);
  if ((asText === undefined) === (asBase64 === undefined)) {
    throw new DecodeError("an identifier, verification id or signature is missing or ambiguous");
  }
  return asText === undefined ? decodeBase64(asBase64) : writeUtf8(whole(asText));
}

function locationOf(members) {
  return whole(members.get("l") ?? "");
}
