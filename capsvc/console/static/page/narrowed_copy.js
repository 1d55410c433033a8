// The copy itself: its text, and the two ways to take it along.
import { element, found, say } from "./element.js";
import { MOST_CHARACTERS, qrCode } from "./qr_code.js";

/** The field with the copy, and its buttons. */
export class NarrowedCopy {
  #area = found("narrowed");
  #said = found("narrowed-said");
  #buttons = [found("copy"), found("qr")];
  #picture = found("qr-code");

  constructor() {
    found("copy").addEventListener("click", () => this.#copy());
    found("qr").addEventListener("click", () => this.#toggle());
  }

  /** Show a copy; without one, say why there is none. */
  show(text, why) {
    if (text !== this.#area.value) this.#close();
    this.#area.value = text;
    for (const button of this.#buttons) button.disabled = !text;
    say(this.#said, why);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#area.value);
      say(this.#said, "Copied.");
    } catch {
      this.#area.select();
      say(this.#said, "The browser does not let this page copy: it is marked, copy it by Ctrl+C.");
    }
  }

  async #toggle() {
    if (!this.#picture.hidden) {
      this.#close();
      return;
    }
    const text = this.#area.value;
    const shown =
      text.length > MOST_CHARACTERS
        ? element(
            "p",
            { class: "notice warn" },
            `Too long for a camera: ${text.length} characters, and ${MOST_CHARACTERS} can be read.`,
          )
        : await qrCode(text);
    if (text !== this.#area.value) return; // it was narrowed further since
    this.#picture.replaceChildren(shown);
    this.#picture.hidden = false;
    found("qr").setAttribute("aria-expanded", "true");
  }

  #close() {
    this.#picture.hidden = true;
    this.#picture.replaceChildren();
    found("qr").setAttribute("aria-expanded", "false");
  }
}
