// The two binary formats that a macaroon travels in, as base64. In both it has exactly one spelling: what is not the
// bytes that encoding gives back is refused.
//
// - Format 1: packets of four lower-case hex digits of length, a key, a space, data, a newline.
// - Format 2: a version byte, then sections of typed fields with varint lengths, each ended by a zero.
import { decodeBase64, encodeBase64, readUtf8, readVarint, writeUtf8, writeVarint } from "./encoding.js";
import { DecodeError, ValueError } from "./errors.js";
import { LIMITS, SIGNATURE_BYTES, caveatOf, isThirdParty, macaroonOf } from "./macaroon.js";

const VERSION = 2, END = 0, LOCATION = 1, IDENTIFIER = 2, VERIFICATION_ID = 4, SIGNATURE = 6;
const PACKET_BYTES = 0xffff;
const NEWLINE = 0x0a;
const NOTHING = new Uint8Array();

/** Write a macaroon as base64 of format 1 or 2. Throws ValueError for a field too long for format 1. */
export function encodeText(macaroon, format) {
  return encodeBase64(Uint8Array.from(format === 1 ? writeV1(macaroon) : writeV2(macaroon)));
}

/** Read a macaroon from base64 of format 1 or 2. Throws DecodeError for whatever is none in its one spelling. */
export function decodeText(text) {
  const raw = decodeBase64(text);
  if (raw[0] === VERSION) return readV2(raw);
  if (isAt(raw, 4, ascii("location "))) return readV1(raw);
  throw new DecodeError("neither format 1 nor format 2 of a macaroon begins like this");
}

/** Return where a caveat's third party is. Throws ValueError for a first-party caveat that says where. */
export function thirdPartysLocation(caveat) {
  if (!isThirdParty(caveat)) throw new ValueError("a first-party caveat has no location");
  return caveat.location;
}

function writeV2(macaroon) {
  const out = [VERSION];
  if (macaroon.location) addField(out, LOCATION, writeUtf8(macaroon.location));
  addField(out, IDENTIFIER, macaroon.identifier);
  out.push(END);
  for (const caveat of macaroon.caveats) {
    if (caveat.location) addField(out, LOCATION, writeUtf8(thirdPartysLocation(caveat)));
    addField(out, IDENTIFIER, caveat.identifier);
    if (isThirdParty(caveat)) addField(out, VERIFICATION_ID, caveat.verificationId);
    out.push(END);
  }
  out.push(END);
  addField(out, SIGNATURE, macaroon.signature);
  return out;
}

function addField(out, kind, data) {
  out.push(kind, ...writeVarint(data.length));
  for (const byte of data) out.push(byte);
}

function readV2(raw) {
  const fields = new Fields(raw, 1);
  const { location, identifier, verificationId } = fields.section();
  if (verificationId.length) throw new DecodeError("a verification id outside a caveat");
  const caveats = [];
  while (!fields.ends()) {
    checkCount(caveats);
    caveats.push(caveatRead(fields.section()));
  }
  const signature = fields.take(SIGNATURE);
  if (signature?.length !== SIGNATURE_BYTES) throw new DecodeError("a signature of 32 bytes is missing");
  fields.demandNoMore();
  return macaroonOf(2, locationText(location), identifier, caveats, signature);
}

// What is read one after the other: take() gives a part if it is next, else null.
class Parts {
  constructor(raw, at) {
    this.raw = raw;
    this.at = at;
  }

  demandNoMore() {
    if (this.at !== this.raw.length) throw new DecodeError("something follows the signature");
  }
}

class Fields extends Parts {
  take(kind) {
    if (this.raw[this.at] !== kind) return null;
    const [size, start] = readVarint(this.raw, this.at + 1);
    if (size > BigInt(this.raw.length - start)) throw new DecodeError("a field is longer than what follows");
    this.at = start + Number(size);
    return this.raw.slice(start, this.at);
  }

  ends() {
    const isEnd = this.raw[this.at] === END;
    if (isEnd) this.at++;
    return isEnd;
  }

  // Location, identifier, verification id and the end mark, in this order and nothing else.
  section() {
    const location = this.take(LOCATION);
    const identifier = this.take(IDENTIFIER);
    const verificationId = this.take(VERIFICATION_ID);
    if (!identifier) throw new DecodeError("an identifier is missing or not in its place");
    demandNotEmpty(location, verificationId);
    if (!this.ends()) throw new DecodeError("a field that does not belong there, or an end that is missing");
    return { location: location ?? NOTHING, identifier, verificationId: verificationId ?? NOTHING };
  }
}

function writeV1(macaroon) {
  const out = [];
  addPacket(out, "location", writeUtf8(macaroon.location));
  addPacket(out, "identifier", macaroon.identifier);
  for (const caveat of macaroon.caveats) {
    addPacket(out, "cid", caveat.identifier);
    if (isThirdParty(caveat)) addPacket(out, "vid", caveat.verificationId);
    if (caveat.location) addPacket(out, "cl", writeUtf8(thirdPartysLocation(caveat)));
  }
  addPacket(out, "signature", macaroon.signature);
  return out;
}

function addPacket(out, key, data) {
  const size = 4 + key.length + 1 + data.length + 1;
  if (size > PACKET_BYTES) throw new ValueError("a field is too long for format 1; use format 2");
  out.push(...ascii(`${size.toString(16).padStart(4, "0")}${key} `));
  for (const byte of data) out.push(byte);
  out.push(NEWLINE);
}

function readV1(raw) {
  const packets = new Packets(raw, 0);
  const location = packets.take("location"), identifier = packets.take("identifier");
  if (!location || !identifier) {
    throw new DecodeError("a location or an identifier is missing or not in its place");
  }
  const caveats = [];
  for (let each; (each = packets.take("cid")); ) {
    checkCount(caveats);
    const verificationId = packets.take("vid"), caveatLocation = packets.take("cl");
    demandNotEmpty(caveatLocation, verificationId);
    const parts = { location: caveatLocation ?? NOTHING, identifier: each, verificationId: verificationId ?? NOTHING };
    caveats.push(caveatRead(parts));
  }
  const signature = packets.take("signature");
  if (signature?.length !== SIGNATURE_BYTES) {
    throw new DecodeError("a signature of 32 bytes is missing, or a field does not belong there");
  }
  packets.demandNoMore();
  return macaroonOf(1, locationText(location), identifier, caveats, signature);
}

class Packets extends Parts {
  take(key) {
    const { raw, at } = this, label = ascii(`${key} `);
    if (!isAt(raw, at + 4, label)) return null;
    const start = at + 4 + label.length;
    const digits = String.fromCharCode(...raw.subarray(at, at + 4));
    const end = at + (/^[0-9a-f]{4}$/.test(digits) ? parseInt(digits, 16) : 0);
    if (end <= start || end > raw.length) {
      throw new DecodeError("a packet's length is not four lower-case hex digits that fit");
    }
    if (raw[end - 1] !== NEWLINE) throw new DecodeError("a packet does not end with a newline");
    this.at = end;
    return raw.slice(start, end - 1);
  }
}

function ascii(text) {
  return Array.from(text, (character) => character.charCodeAt(0));
}

function isAt(raw, position, expected) {
  return expected.every((byte, at) => raw[position + at] === byte);
}

function demandNotEmpty(location, verificationId) {
  if (location?.length === 0 || verificationId?.length === 0) {
    throw new DecodeError("an empty location or verification id: leave the field out");
  }
}

function caveatRead({ location, identifier, verificationId }) {
  if (location.length && !verificationId.length) throw new DecodeError("a first-party caveat has no location");
  return caveatOf(identifier, verificationId, locationText(location));
}

function locationText(location) {
  const text = readUtf8(location);
  if (text === null) throw new DecodeError("a location is UTF-8");
  return text;
}

function checkCount(caveats) {
  if (caveats.length >= LIMITS.caveats) throw new DecodeError(`a macaroon has at most ${LIMITS.caveats} caveats`);
}
