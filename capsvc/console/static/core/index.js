// What pages need of macaroons: to decode, narrow and explain them, all in the page. Each module does what the module
// of caveats/ does that is named alike, and tests/capsvc/console holds both to the same answers.
export { attenuate } from "./attenuation.js";
export { authority } from "./authority.js";
export { prove } from "./chain.js";
export { digest } from "./digest.js";
export { encodeItem } from "./encoding.js";
export { DecodeError, FactError, InvalidMacaroon, MacaroonError, PredicateError, ValueError } from "./errors.js";
export { explain } from "./explanation.js";
export { decode, encode } from "./interchange.js";
export { LIMITS } from "./macaroon.js";
export { shown } from "./predicate.js";
export { newSalt, suggestSaltName } from "./salt.js";
export { isNarrowerThan, scope } from "./scope.js";
export { timeText } from "./time.js";
export { BUILTIN, Vocabulary, parse } from "./vocabulary.js";
