// The chain of HMACs, by WebCrypto: each signature is the key of the next step. The third party's secretbox is left to
// its maker and to verifiers.
import { InvalidMacaroon, MacaroonError } from "./errors.js";
import { LIMITS, isThirdParty } from "./macaroon.js";

const LABEL = new TextEncoder().encode("macaroons-key-generator");
const HMAC = { name: "HMAC", hash: "SHA-256" };

/** Give WebCrypto. Throws MacaroonError where a browser keeps it back, as it does over plain http. */
export function webCrypto() {
  const found = globalThis.crypto?.subtle;
  if (!found) throw new MacaroonError("a browser signs only on pages that came over https, or locally");
  return found;
}

/** Compute HMAC-SHA256 of a message under a key that is not empty; a promise of 32 bytes. */
export async function hmac(key, message) {
  const imported = await webCrypto().importKey("raw", key, HMAC, false, ["sign"]);
  return new Uint8Array(await webCrypto().sign("HMAC", imported, message));
}

/** Sign an identifier with a root key of any length; a promise of the signature before any caveat. */
export async function start(rootKey, identifier) {
  return hmac(await hmac(LABEL, rootKey), identifier);
}

/** Continue a chain with a list of caveats, a third party's too; a promise of the signature at its end. */
export async function extend(signature, caveats) {
  for (const { identifier, verificationId } of caveats) {
    signature = verificationId.length
      ? await hmac(signature, joined(await hmac(signature, verificationId), await hmac(signature, identifier)))
      : await hmac(signature, identifier);
  }
  return signature;
}

/**
 * Prove a macaroon's chain with its root key. A promise of the same macaroon; rejected with InvalidMacaroon where the
 * chain does not hold, where it needs discharges, which nothing here opens, and where it has more than 64 caveats.
 */
export async function prove(macaroon, rootKey) {
  const { identifier, caveats, signature } = macaroon;
  if (caveats.length > LIMITS.caveats || caveats.some(isThirdParty)) throw new InvalidMacaroon();
  demandEqual(await extend(await start(rootKey, identifier), caveats), signature);
  return macaroon;
}

// Looks at every byte, wherever the first difference is.
function demandEqual(computed, presented) {
  let difference = computed.length ^ presented.length;
  for (let at = 0; at < computed.length; at++) difference |= computed[at] ^ presented[at];
  if (difference) throw new InvalidMacaroon();
}

function joined(one, other) {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
