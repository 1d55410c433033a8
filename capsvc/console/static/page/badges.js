// Three badges that are never mixed up: that it decodes, that its signature is proven, and that it is accepted now.
import { found, say } from "./element.js";

const NOT_ASKED = "not asked";

/** Show whether the text decodes, as the whole that the page itself can know. */
export function showDecoded(macaroon, failure) {
  const [kind, text] = macaroon ? ["good", "yes"] : failure ? ["bad", "no"] : ["", "not yet"];
  show("decoded", kind, `decoded: ${text}`);
}

/** Show that nobody was asked. */
export function showNotAsked() {
  show("proven", "", `signature proven: ${NOT_ASKED}`);
  show("accepted", "", `accepted now: ${NOT_ASKED}`);
}

/** Show what the service answered. */
export function showAnswer({ proven, accepted }) {
  if (proven === null) {
    show("proven", "warn", "signature proven: could not ask");
    show("accepted", "warn", "accepted now: could not ask");
    return;
  }
  show("proven", proven ? "good" : "bad", `signature proven: ${proven ? "yes" : "not here"}`);
  if (!proven) show("accepted", "bad", "accepted now: no");
  else if (accepted === null) show("accepted", "warn", "accepted now: not for this request");
  else show("accepted", accepted ? "good" : "bad", `accepted now: ${accepted ? "yes" : "no"}`);
}

function show(id, kind, text) {
  const badge = found(id);
  badge.className = `badge ${kind}`.trim();
  say(badge, text);
}
