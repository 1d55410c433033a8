// The macaroon: an identifier, caveats, and the signature at the end of their chain. Nothing in one may be believed
// before its chain is proven, and a page, which has no key, proves none.
import { ValueError } from "./errors.js";

export const SIGNATURE_BYTES = 32;
export const LIMITS = Object.freeze({ characters: 8192, caveats: 64 });

/**
 * Make a frozen macaroon of its fields: the format that it was read in (1, 2 or "json"), location, identifier,
 * caveats, signature. Throws ValueError unless the signature has 32 bytes.
 */
export function macaroonOf(format, location, identifier, caveats, signature) {
  if (signature.length !== SIGNATURE_BYTES) throw new ValueError("a signature has 32 bytes");
  return Object.freeze({ format, location, identifier, caveats: Object.freeze([...caveats]), signature });
}

/** Make a frozen caveat; a third party's has a verification id, and it alone may say where the third party is. */
export function caveatOf(identifier, verificationId = new Uint8Array(), location = "") {
  return Object.freeze({ identifier, verificationId, location });
}

/** Tell whether a discharge has to answer for a caveat. */
export function isThirdParty(caveat) {
  return caveat.verificationId.length > 0;
}
