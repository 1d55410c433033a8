// The small encodings of a macaroon, each with one spelling: a reader refuses what its writer would not write.
import { DecodeError, PredicateError, ValueError } from "./errors.js";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NO_DIGIT = 64;
const DIGITS = new Uint8Array(128).fill(NO_DIGIT);
for (let digit = 0; digit < ALPHABET.length; digit++) DIGITS[ALPHABET.charCodeAt(digit)] = digit;
const NOT_BASE64 = "not URL-safe base64 without padding";
const RESERVED = /[\x00-\x20\x7f-\x9f%]/;
const EVERY_RESERVED = new RegExp(RESERVED, "g");
const ESCAPES = /(?:%[0-9A-F]{2})+/g;
// With the flag u a pair is one character, so that this finds halves alone.
const HALF_CHARACTER = /[\ud800-\udfff]/u;
const encoder = new TextEncoder();
// A byte order mark is a character like any other: to drop it would give one macaroon two spellings.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Tell whether a string holds half of a character: UTF-16 can, UTF-8 cannot. */
export function hasHalfCharacter(text) {
  return HALF_CHARACTER.test(text);
}

/** Count characters as Python does: code points, not units of UTF-16. */
export function countCharacters(text) {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** Order two strings as Python does: by code points. Units of UTF-16 put U+10000 and above before U+E000. */
export function compareText(one, other) {
  const size = Math.min(one.length, other.length);
  for (let at = 0; at < size; at++) {
    const a = one.charCodeAt(at), b = other.charCodeAt(at);
    if (a !== b) return rank(a) - rank(b);
  }
  return one.length - other.length;
}

function rank(unit) {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}

/** Write text as UTF-8. Throws ValueError for half a character, where TextEncoder would write another one. */
export function writeUtf8(text) {
  if (hasHalfCharacter(text)) throw new ValueError("text that is not Unicode");
  return encoder.encode(text);
}

/** Read bytes as UTF-8, strictly. Gives null where they are none. */
export function readUtf8(raw) {
  try {
    return decoder.decode(raw);
  } catch {
    return null;
  }
}

/** Write bytes as URL-safe base64 without padding. */
export function encodeBase64(raw) {
  let text = "";
  for (let at = 0; at < raw.length; at += 3) {
    const three = (raw[at] << 16) | ((raw[at + 1] ?? 0) << 8) | (raw[at + 2] ?? 0);
    const digits = Math.min(raw.length - at, 3) + 1;
    for (let digit = 0; digit < digits; digit++) text += ALPHABET[(three >> (18 - 6 * digit)) & 63];
  }
  return text;
}

/**
 * Read URL-safe base64 without padding. Throws DecodeError for another alphabet, padding, white space, a length
 * that no encoding has, and for left-over bits that are not zero.
 */
export function decodeBase64(text) {
  if (text.length % 4 === 1) throw new DecodeError(NOT_BASE64);
  const raw = new Uint8Array(Math.floor((text.length * 3) / 4));
  let held = 0, bits = 0, size = 0;
  for (let at = 0; at < text.length; at++) {
    const digit = DIGITS[text.charCodeAt(at)] ?? NO_DIGIT;
    if (digit === NO_DIGIT) throw new DecodeError(NOT_BASE64);
    held = (held << 6) | digit;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    raw[size++] = held >> bits;
    held &= (1 << bits) - 1;
  }
  if (held) throw new DecodeError(`${NOT_BASE64}: its last character has spare bits set`);
  return raw;
}

/** Read base64 of so many bytes. Throws ValueError, which says otherwise what it should be. */
export function fixedBase64(text, size, otherwise) {
  let raw;
  try {
    raw = decodeBase64(text);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  if (raw?.length !== size) throw new ValueError(otherwise);
  return raw;
}

/** Write a number as a minimal varint, as a list of bytes. */
export function writeVarint(value) {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

/**
 * Read one minimal varint of at most 64 bits. Gives it as BigInt, and the position after it. Throws DecodeError
 * when it is cut off, too long, or spelled with more bytes than it needs.
 */
export function readVarint(raw, position) {
  let value = 0n;
  for (let shift = 0; shift <= 63 && position < raw.length; shift += 7) {
    const byte = raw[position++];
    value |= BigInt(byte & 0x7f) << BigInt(shift);
    if (byte >= 0x80) continue;
    if ((byte === 0 && shift) || value >> 64n) throw new DecodeError("a field's length is not a minimal varint");
    return [value, position];
  }
  throw new DecodeError("a field's length is cut off or too long");
}

/** Percent-encode one item of a predicate: a space, a control character and %, and nothing else. */
export function encodeItem(text) {
  return text.replace(EVERY_RESERVED, (found) =>
    Array.from(encoder.encode(found), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

/** Read one percent-encoded item. Throws PredicateError unless it is exactly how encodeItem writes it. */
export function decodeItem(spelled) {
  if (!spelled) throw new PredicateError("an empty item: items are parted by one space");
  if (!RESERVED.test(spelled)) return spelled;
  const text = spelled.replace(ESCAPES, (found) => {
    const read = readUtf8(Uint8Array.from(found.slice(1).split("%"), (byte) => parseInt(byte, 16)));
    if (read === null) throw new PredicateError("percent-encoding that is not UTF-8");
    return read;
  });
  if (encodeItem(text) !== spelled) {
    throw new PredicateError("percent-encode a space, a control character and %, upper case, and nothing else");
  }
  return text;
}
