// The templates: what most copies are narrowed by, each a button to press and at most one field to fill in.
import { PredicateError, authority, newSalt, parse, suggestSaltName, timeText } from "../core/index.js";
import { found } from "./element.js";
import { tell } from "./field.js";
import { secondsOf } from "./span.js";

const FIELDS = ["path", "ip", "audience", "name"];

/** The buttons and fields. A choice that is pressed is a predicate, or says what is missing. */
export class Choices {
  #buttons = found("choices");
  #salt = { name: "", full: "", predicate: "" };
  #changed;

  /** @param {() => void} changed told of each change */
  constructor(changed) {
    this.#changed = changed;
    this.#buttons.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.#press(button);
    });
    for (const name of FIELDS) found(name).addEventListener("input", changed);
  }

  /** Fill in what a link says; return in words what it says wrongly. */
  fill(said) {
    for (const name of FIELDS) {
      if (said[name]) this.#fillField(name, said[name]);
    }
    if (said.get) this.#set(this.#button("get"), true);
    if (!said.span) return "";
    if (secondsOf(said.span) === null)
      return "What the link says for how long is no span of time such as 10m, 8h or 30d.";
    this.#set(this.#spanButton(said.span), true);
    return "";
  }

  /** Offer the audience that a macaroon is for, since it can be no other. */
  suggest(macaroon) {
    const audience = found("audience"),
      own = macaroon && authority(macaroon)?.audience;
    if (own && !audience.value) audience.value = own;
  }

  /**
   * Read what is chosen, and say what is wrong beside its field.
   * @returns {{predicates: string[], missing: string}} missing: in words, what has to be said first
   */
  read() {
    const read = FIELDS.filter((name) => this.#isPressed(name)).map((name) => [name, this.#field(name)]);
    const predicates = [
      ...(this.#isPressed("get") ? ["method in GET HEAD"] : []),
      ...(this.#span === null ? [] : [`time < ${timeText(Date.now() / 1000 + secondsOf(this.#span))}`]),
      ...read.flatMap(([, predicate]) => predicate ?? []),
    ];
    const [missing] = read.find(([, predicate]) => predicate === null) ?? [];
    return { predicates, missing: missing ? sentence(found(missing)) : "" };
  }

  /** The whole name that the copy can be taken back by; empty where none was chosen. */
  get revocableAs() {
    return this.#isPressed("name") ? this.#salt.full : "";
  }

  /** What is chosen, as a link says it. */
  get said() {
    return {
      get: this.#isPressed("get"),
      span: this.#span ?? "",
      ...Object.fromEntries(FIELDS.map((name) => [name, this.#isPressed(name) ? found(name).value.trim() : ""])),
    };
  }

  #press(button) {
    const pressed = !isOn(button);
    this.#set(button, pressed);
    // Two ends at once would make one of them redundant.
    if (pressed && button.dataset.span) {
      for (const other of this.#buttons.querySelectorAll("[data-span]")) this.#set(other, other === button);
    }
    if (pressed && FIELDS.includes(button.dataset.choice)) found(button.dataset.choice).focus();
    this.#changed();
  }

  #set(button, pressed) {
    button.setAttribute("aria-pressed", String(pressed));
    const name = button.dataset.choice;
    if (FIELDS.includes(name)) found(`${name}-field`).hidden = !pressed;
  }

  #fillField(name, value) {
    found(name).value = value;
    this.#set(this.#button(name), true);
  }

  #button(name) {
    return this.#buttons.querySelector(`[data-choice="${name}"]`);
  }

  // A link may say a span that has no button yet.
  #spanButton(span) {
    const buttons = [...this.#buttons.querySelectorAll("[data-span]")];
    const seconds = secondsOf(span);
    const there = buttons.find((each) => secondsOf(each.dataset.span) === seconds);
    if (there) return there;
    const made = buttons.at(-1).cloneNode();
    made.dataset.span = made.textContent = span;
    buttons.at(-1).after(made);
    return made;
  }

  get #span() {
    return this.#buttons.querySelector('[data-span][aria-pressed="true"]')?.dataset.span ?? null;
  }

  #isPressed(name) {
    return isOn(this.#button(name));
  }

  // The predicate of a field; null where it cannot be said yet.
  #field(name) {
    const input = found(name),
      line = found(`${name}-said`);
    const items = input.value.split(/\s+/).filter(Boolean);
    let predicate = null,
      failure = "";
    try {
      if (items.length) predicate = String(parse(this.#predicate(name, items)));
    } catch (error) {
      if (!(error instanceof PredicateError)) throw error;
      failure = error.message;
    }
    tell(input, line, line.dataset.hint, failure);
    return predicate;
  }

  #predicate(name, items) {
    if (name === "path") return `path ^= ${items.join(" ")}`;
    if (name === "ip") return `ip in ${items.map(network).join(" ")}`;
    if (name === "audience") return `audience ${items.length > 1 ? "in" : "="} ${items.join(" ")}`;
    return this.#saltOf(items.join(" "));
  }

  // The salt stays the same until the name changes: what was copied has to be what is shown.
  #saltOf(name) {
    if (this.#salt.name !== name || !this.#salt.predicate) {
      this.#salt = { name, full: "", predicate: "" };
      const full = suggestSaltName(name);
      this.#salt = { name, full, predicate: newSalt(full) };
    }
    return this.#salt.predicate;
  }
}

function sentence(input) {
  const what = input.labels[0].textContent.toLowerCase();
  return input.value.trim() ? `Mend the ${what} first.` : `Say the ${what} first.`;
}

function isOn(button) {
  return button.getAttribute("aria-pressed") === "true";
}

function network(address) {
  if (address.includes("/")) return address;
  return `${address}/${address.includes(":") ? 128 : 32}`;
}
