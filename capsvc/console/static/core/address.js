// Internet addresses and networks as bits: the version, 4 or 6, then the bits as 0 and 1. An address lies in every
// network whose bits its own begin with. What is read, and how it is written, is as in Python's ipaddress.
const SIZES = new Map([["4", 32], ["6", 128]]);
const MAPPED = 0xffffn;
const HEXTETS = 8;

/** The network of all IPv4 addresses that are written as IPv6, ::ffff:0:0/96. */
export const MAPPED_NETWORK = bitsOf("6", MAPPED << 32n).slice(0, 1 + 96);

/** Read an address as bits, a mapped one as what it maps; null for none. It has no zone. */
export function readAddress(text) {
  const four = readFour(text);
  if (four !== null) return bitsOf("4", four);
  const six = readSix(text);
  if (six === null) return null;
  return six >> 32n === MAPPED ? bitsOf("4", six & 0xffffffffn) : bitsOf("6", six);
}

/** Read a network as bits, also in a spelling that is not its own; null for none, and for bits beyond its mask. */
export function readNetwork(text) {
  const [address, mask, ...more] = text.split("/");
  if (more.length) return null;
  const four = readFour(address);
  const whole = four === null ? readSix(withoutZone(address)) : four;
  if (whole === null) return null;
  const version = four === null ? "6" : "4";
  const size = SIZES.get(version);
  const prefix = mask === undefined ? size : readMask(mask, version, size);
  const bits = bitsOf(version, whole);
  return prefix === null || bits.slice(1 + prefix).includes("1") ? null : bits.slice(0, 1 + prefix);
}

/** Write bits as the one spelling of their address. */
export function addressText(bits) {
  const size = SIZES.get(bits[0]);
  const whole = BigInt(`0b${bits.slice(1).padEnd(size, "0")}`);
  if (size === 32) return [24n, 16n, 8n, 0n].map((shift) => (whole >> shift) & 0xffn).join(".");
  const hextets = Array.from({ length: HEXTETS }, (_, at) =>
    ((whole >> BigInt(16 * (HEXTETS - 1 - at))) & 0xffffn).toString(16),
  );
  const zeros = longestZeros(hextets);
  if (zeros.length < 2) return hextets.join(":");
  return `${hextets.slice(0, zeros.start).join(":")}::${hextets.slice(zeros.start + zeros.length).join(":")}`;
}

/** Write bits as the one spelling of their network. */
export function networkText(bits) {
  return `${addressText(bits)}/${bits.length - 1}`;
}

function bitsOf(version, whole) {
  return version + whole.toString(2).padStart(SIZES.get(version), "0");
}

function readFour(text) {
  const octets = text.split(".");
  const isFour = octets.length === 4 && octets.every((each) => /^(?:0|[1-9][0-9]{0,2})$/.test(each) && each <= 255);
  return isFour ? octets.reduce((whole, each) => (whole << 8n) | BigInt(each), 0n) : null;
}

function readSix(text) {
  if (text === null) return null;
  const parts = text.split(":");
  if (parts.length < 3) return null;
  if (parts.at(-1).includes(".")) {
    const four = readFour(parts.pop());
    if (four === null) return null;
    parts.push((four >> 16n).toString(16), (four & 0xffffn).toString(16));
  }
  if (parts.length > HEXTETS + 1) return null;
  const hextets = filled(parts);
  if (hextets === null || !hextets.every((each) => /^[0-9A-Fa-f]{1,4}$/.test(each))) return null;
  return hextets.reduce((whole, each) => (whole << 16n) | BigInt(`0x${each}`), 0n);
}

// Puts zeros where "::" stands; null where it stands twice, or for too little.
function filled(parts) {
  const skips = parts.map((part, at) => (!part && at > 0 && at < parts.length - 1 ? at : 0)).filter(Boolean);
  if (skips.length > 1) return null;
  if (!skips.length) return parts.length === HEXTETS ? parts : null;
  const high = parts.slice(0, skips[0]), low = parts.slice(skips[0] + 1);
  // A further empty part stays, and is no hextet.
  if (high.length === 1 && !high[0]) high.pop();
  if (low.length === 1 && !low[0]) low.pop();
  const skipped = HEXTETS - high.length - low.length;
  return skipped < 1 ? null : [...high, ...Array(skipped).fill("0"), ...low];
}

function withoutZone(text) {
  const [address, zone, ...more] = text.split("%");
  return zone === "" || more.length ? null : address;
}

function readMask(mask, version, size) {
  if (/^[0-9]+$/.test(mask)) return Number(mask) <= size ? Number(mask) : null;
  const four = version === "4" ? readFour(mask) : null;
  if (four === null) return null;
  // A netmask begins with ones, a host mask with zeros.
  const found = /^(?:(1*)0*|(0*)1*)$/.exec(bitsOf("4", four).slice(1));
  return found ? (found[1] ?? found[2]).length : null;
}

function longestZeros(hextets) {
  let longest = { start: 0, length: 0 };
  for (let at = 0, length = 0; at < hextets.length; at++) {
    length = hextets[at] === "0" ? length + 1 : 0;
    if (length > longest.length) longest = { start: at - length + 1, length };
  }
  return longest;
}
