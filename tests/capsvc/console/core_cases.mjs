// The console's core over JSON lines: a list of commands on each line of stdin, of their answers on each of stdout.
// The directory of the core is the only argument.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";

globalThis.crypto ??= webcrypto; // Node 18 does not say so itself
const core = await import(`${process.argv[2]}/index.js`);
const { readFacts } = await import(`${process.argv[2]}/facts.js`);
const { extend, start } = await import(`${process.argv[2]}/chain.js`);

const FORMATS = [1, 2, "json"];
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const text = (raw) => Buffer.from(raw).toString("base64");
const words = (c) => (c.vocabulary ? core.BUILTIN.extend(c.vocabulary) : core.BUILTIN);
// What JSON cannot say: bytes, and the rows of the salt column.
const said = (value) => (value?.bytes !== undefined ? bytes(value.bytes) : value);
const fact = (value) => (value?.rows ? new Map(Object.entries(value.rows)) : said(value));
const facts = (c) => new Map(Object.entries(c.facts).map(([name, value]) => [name, fact(value)]));
const subject = (of) => (typeof of === "string" ? core.decode(of) : of.map(said));

const fields = ({ format, location, identifier, caveats, signature }) => ({
  format,
  location,
  identifier: text(identifier),
  caveats: caveats.map((each) => [text(each.identifier), text(each.verificationId), each.location]),
  signature: text(signature),
});

function written(macaroon, format) {
  try {
    return core.encode(macaroon, format);
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

const commands = {
  decode(c) {
    const macaroon = core.decode(c.token);
    const frozen = [macaroon, macaroon.caveats, ...macaroon.caveats].every(Object.isFrozen);
    return { ...fields(macaroon), frozen, same: core.encode(macaroon), texts: FORMATS.map((f) => written(macaroon, f)) };
  },
  async attenuate(c) {
    return { token: core.encode(await core.attenuate(core.decode(c.token), c.predicates, words(c))) };
  },
  async prove(c) {
    return fields(await core.prove(core.decode(c.token), bytes(c.key)));
  },
  async signature(c) {
    const { identifier, caveats } = core.decode(c.token);
    return { signature: text(await extend(await start(bytes(c.key), identifier), caveats)) };
  },
  parse(c) {
    const predicate = core.parse(said(c.text), words(c));
    const { attribute, operator, items, type } = predicate;
    return { attribute, operator, items, type: type.name, printed: String(predicate) };
  },
  refusal(c) {
    const predicate = core.parse(c.predicate, words(c)), read = readFacts(words(c), facts(c));
    const reason = predicate.refusal(read);
    return { reason, instead: reason === null ? "" : predicate.instead(read) };
  },
  scope(c) {
    return core.scope(subject(c.of), words(c));
  },
  narrower(c) {
    return { answer: core.isNarrowerThan(subject(c.one), subject(c.other), words(c)) };
  },
  explain(c) {
    return { caveats: core.explain(core.decode(c.token), facts(c), words(c)) };
  },
  authority(c) {
    return { authority: core.authority(core.decode(c.token)) };
  },
  shown(c) {
    return { text: core.shown(said(c.text)) };
  },
  salt(c) {
    const name = core.suggestSaltName(c.name);
    return { name, predicate: core.newSalt(name) };
  },
  time(c) {
    return { text: core.timeText(c.date === undefined ? c.seconds : new Date(c.date)) };
  },
  async digest(c) {
    return { digest: await core.digest(said(c.what)) };
  },
};

async function answerTo(command) {
  try {
    return await commands[command.do](command);
  } catch (error) {
    return { error: error.name, message: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const answers = [];
  for (const command of JSON.parse(line)) answers.push(await answerTo(command));
  process.stdout.write(JSON.stringify(answers) + "\n");
}
