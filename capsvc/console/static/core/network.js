// Networks in CIDR form, IPv4 and IPv6, that a request may come from.
import { MAPPED_NETWORK, addressText, networkText, readAddress, readNetwork } from "./address.js";
import { AttributeType, either } from "./attribute.js";
import { FactError, ValueError } from "./errors.js";
import { meet, outermost } from "./prefixes.js";

/** The type of a network. A mapped address counts as IPv4, a zone is left out. */
export class Network extends AttributeType {
  constructor() {
    super("network", ["in"]);
  }

  operand(_operator, items) {
    return items.map(demandNetwork);
  }

  fact(value) {
    if (typeof value !== "string") throw new FactError("an address is a str");
    const [address] = value.split("%");
    const bits = readAddress(address);
    if (bits === null) throw new ValueError(`'${address}' does not appear to be an IPv4 or IPv6 address`);
    return bits;
  }

  refusal(_operator, operand, fact) {
    return operand.some((network) => fact.startsWith(network)) ? null : `it is ${addressText(fact)}`;
  }

  meet(demands) {
    const met = demands.map(([, operand]) => new Set(operand)).reduce(meet);
    // No fact is a mapped address, so whether these are among a network's says nothing.
    const networks = collapsed(new Set([...met, MAPPED_NETWORK]));
    const items = [...networks].filter((bits) => bits !== MAPPED_NETWORK).sort().map(networkText);
    return items.length ? [["in", items]] : null;
  }

  instead(_operator, items) {
    return `come from ${either(items)}`;
  }
}

function demandNetwork(item) {
  const bits = readNetwork(item);
  if (bits === null) {
    throw new ValueError("a network is like 10.0.0.0/8 or 2001:db8::/32, no bits beyond its mask");
  }
  if (item.includes("%") || bits.startsWith(MAPPED_NETWORK)) {
    throw new ValueError("a network has no zone, and one of mapped IPv4 addresses is written as IPv4");
  }
  if (networkText(bits) !== item) throw new ValueError(`write this network as ${networkText(bits)}`);
  return bits;
}

// The fewest networks of the same addresses: two halves make one whole, the longest first.
function collapsed(networks) {
  const left = outermost(networks);
  const byLength = Array.from({ length: 1 + 128 + 1 }, () => []);
  for (const bits of left) byLength[bits.length].push(bits);
  for (let length = byLength.length - 1; length > 1; length--) {
    for (const bits of byLength[length]) {
      const whole = bits.slice(0, -1), half = whole + (bits.at(-1) === "0" ? "1" : "0");
      if (!left.has(bits) || !left.has(half)) continue;
      left.delete(bits);
      left.delete(half);
      left.add(whole);
      byLength[length - 1].push(whole);
    }
  }
  return left;
}
