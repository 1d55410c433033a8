/** What can go wrong, as one family. No message holds a token, a signature, a key or a salt (law 8). */
export class MacaroonError extends Error {
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

/** The text is not a macaroon, or not in its one spelling (law 5). */
export class DecodeError extends MacaroonError {}

/** The text is not a predicate of the vocabulary (law 3: it forbids). */
export class PredicateError extends MacaroonError {}

/** The chain is not proven. Says no more on purpose. */
export class InvalidMacaroon extends MacaroonError {
  constructor() {
    super("the macaroon is not valid here");
  }
}

/** A fact that its type does not read, or that is not in the vocabulary: the mistake of whoever asks. */
export class FactError extends MacaroonError {}

/** A value that its type does not read. Leaves the core as PredicateError, FactError or DecodeError alone. */
export class ValueError extends MacaroonError {}
