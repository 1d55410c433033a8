// Sets of prefixes, of paths or of networks' bits: a key is a string, and lies under another that it begins with. Two
// keys nest or have nothing in common, so a meet is a set of keys again. Each key is only cut to the lengths that
// occur, so that a long list costs no comparison of each with each.

/** Return the keys that lie under one of the prefixes, or are one. */
export function under(keys, prefixes) {
  const lengths = lengthsOf(prefixes);
  return new Set([...keys].filter((key) => lengths.some((length) => prefixes.has(key.slice(0, length)))));
}

/** Return the prefixes of what lies under both: of two that nest, the inner. */
export function meet(one, other) {
  return new Set([...under(one, other), ...under(other, one)]);
}

/** Leave out the prefixes that lie under another one of them. */
export function outermost(prefixes) {
  const lengths = lengthsOf(prefixes);
  const isInner = (key) => lengths.some((length) => length < key.length && prefixes.has(key.slice(0, length)));
  return new Set([...prefixes].filter((key) => !isInner(key)));
}

function lengthsOf(prefixes) {
  return [...new Set(Array.from(prefixes, (each) => each.length))];
}
