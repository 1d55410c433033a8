// JavaScript's macaroon over JSON lines: one command on each line of stdin, one answer on each line of stdout.
// The directory whose node_modules holds the library is the only argument.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { newMacaroon, importMacaroon, bytesToBase64 } = createRequire(process.argv[2] + "/")("macaroon");

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const read = (text) => importMacaroon(text.startsWith("{") ? JSON.parse(text) : text);
const write = (macaroon) => ({ token: JSON.stringify(macaroon.exportJSON()) });

const commands = {
  mint(c) {
    return write(newMacaroon({ identifier: bytes(c.identifier), location: c.location, rootKey: bytes(c.key) }));
  },
  narrow(c) {
    const macaroon = read(c.token);
    for (const predicate of c.predicates) macaroon.addFirstPartyCaveat(bytes(predicate));
    return write(macaroon);
  },
  entrust(c) {
    const macaroon = read(c.token);
    macaroon.addThirdPartyCaveat(bytes(c.key), bytes(c.identifier), c.location);
    return write(macaroon);
  },
  bind(c) {
    const discharge = read(c.discharges[0]);
    discharge.bindToRoot(read(c.token).signature);
    return write(discharge);
  },
  verify(c) {
    const met = new Set(c.predicates.map((each) => Buffer.from(each, "base64").toString("utf8")));
    const check = (predicate) => (met.has(predicate) ? null : "not met");
    read(c.token).verify(bytes(c.key), check, c.discharges.map(read));
    return { permits: true };
  },
  // Its own binary format 2, which it cannot write of more than a few caveats: its buffer doubles at every field.
  binary(c) {
    return { token: bytesToBase64(read(c.token).exportBinary()) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    const command = JSON.parse(line);
    answer = commands[command.do](command);
  } catch (error) {
    answer = { error: `${error.name}: ${error.message}` };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
