// The address of the page. Links to it may carry caveats; a token has no place there.
import { found } from "./element.js";

const SECRETS = ["token", "macaroon"];

/** Return what the address says beside its path; take out any token, and say so. */
export function addressSays() {
  const said = new URLSearchParams(location.search);
  const secrets = SECRETS.filter((name) => said.has(name));
  if (!secrets.length) return said;
  for (const name of secrets) said.delete(name);
  history.replaceState(null, "", said.size ? `${location.pathname}?${said}` : location.pathname);
  const notice = found("address-notice");
  notice.textContent =
    "The address had a token in it. It was not read, and is taken out of the address; but by now it stands in the " +
    "service's log, and perhaps in this browser's history. Take it back, and paste tokens into the field alone.";
  notice.hidden = false;
  return said;
}
