// The one question that sends a token: to this origin, in a header, when its button is pressed.
import { encode } from "../core/index.js";

const PATH = "/v1/capability";
const TYPE = "urn:capsvc:problem:";
const REASONS = [
  "It is of another service.",
  "It was changed after it was signed, or was never signed by a service at all.",
  "It is for another audience, and has to be presented there.",
  "It needs the discharges of third parties to be sent along.",
];

/**
 * @typedef {object} Answer
 * @property {boolean|null} proven null: it could not be asked
 * @property {boolean|null} accepted
 * @property {string} text
 * @property {object[]} unmet caveats that refuse, as the service tells them
 * @property {string[]} reasons what may be the cause
 */

/**
 * Ask the service whether it accepts a macaroon now.
 * @returns {Promise<Answer>}
 */
export async function ask(macaroon) {
  try {
    const response = await fetch(PATH, {
      // No service takes JSON over HTTP; the same macaroon travels as format 2.
      headers: {
        Authorization: `Bearer ${encode(macaroon, macaroon.format === 1 ? 1 : 2)}`,
        Accept: "application/json",
      },
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    return read(response.status, await response.json());
  } catch {
    // Whatever fetch says, it may quote what was asked.
    return answer(
      null,
      null,
      "The service could not be asked: it does not answer, or not in a way that is understood.",
    );
  }
}

function read(status, body) {
  const problem = String(body.type ?? "").replace(TYPE, "");
  if (status === 200) {
    const audience = body.audience === null ? "" : `, for audience ${body.audience}`;
    return answer(true, true, `Accepted: it is ${body.user}'s${audience}, until ${body.expires}.`);
  }
  if (status === 403 && problem === "unmet-caveat") {
    return answer(true, null, `It is alive, but not for this request (GET ${PATH}):`, body.unmet);
  }
  if (status === 401 && problem === "expired-token") return answer(true, false, "It has expired.");
  if (status === 401 && problem === "revoked-token") return answer(true, false, "It was taken back.");
  if (status === 401 && problem === "invalid-token") {
    return answer(
      false,
      null,
      "This service cannot prove its signature. It does not say why; it may be that:",
      [],
      REASONS,
    );
  }
  return answer(
    null,
    null,
    `The service could not be asked: ${body.title ?? `status ${status}`}. ${body.detail ?? ""}`,
  );
}

function answer(proven, accepted, text, unmet = [], reasons = []) {
  return { proven, accepted, text, unmet, reasons };
}
