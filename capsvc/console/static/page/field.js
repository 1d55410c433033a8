// What is said about a field, in the line under it: its hint, or in words what is wrong. The line is always there, so
// that nothing moves while one types.
import { say } from "./element.js";

/** Say what is wrong with a field; nothing is wrong: say its hint again. */
export function tell(input, line, hint, failure) {
  input.setAttribute("aria-invalid", String(Boolean(failure)));
  line.classList.toggle("error", Boolean(failure));
  say(line, failure || hint);
}
