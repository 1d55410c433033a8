// The field that a macaroon is pasted into. What is in it stays in it: it goes into no address, storage or request.
import { DecodeError, decode } from "../core/index.js";
import { exampleToken } from "./example.js";
import { found } from "./element.js";
import { tell } from "./field.js";

const NAMES = { 1: "format 1", 2: "format 2", json: "2-JSON" };

/** Name the format of a macaroon. */
export function formatName(macaroon) {
  return NAMES[macaroon.format];
}

/** The field, and the buttons beside it. */
export class TokenField {
  #area = found("token");
  #said = found("token-said");
  #hint = this.#said.textContent;
  #changed;

  /** @param {(macaroon: object|null, text: string, failure: string) => void} changed told of each change */
  constructor(changed) {
    this.#changed = changed;
    this.#area.addEventListener("input", () => this.#read());
    found("clear").addEventListener("click", () => {
      this.#put("");
      this.#area.focus();
    });
    found("example").addEventListener("click", async () => this.#put(await exampleToken()));
    // What was pasted before this script was there, or came back with the page, is read too.
    this.#read();
  }

  #put(text) {
    this.#area.value = text;
    this.#read();
  }

  #read() {
    const text = this.#area.value.trim();
    let macaroon = null,
      failure = "";
    if (text) {
      try {
        macaroon = decode(text);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        failure = error.message;
      }
    }
    this.#tell(macaroon, failure, text.length !== this.#area.value.length);
    this.#changed(macaroon, text, failure);
  }

  #tell(macaroon, failure, wasTrimmed) {
    const trimmed = wasTrimmed ? " White space around it is left out." : "";
    const hint = macaroon
      ? `Decoded, not verified: ${formatName(macaroon)}, ${counted(macaroon.caveats.length, "caveat")}.${trimmed}`
      : this.#hint;
    tell(this.#area, this.#said, hint, failure && `This is no macaroon: ${failure}.`);
  }
}

/** Say a count of things. */
export function counted(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}
