// Links to the form: they carry caveats, and never a token. The same words as the command line's options.
import { encodeItem } from "../core/index.js";

const LISTS = ["path", "ip", "audience"];

/**
 * Read what a link says.
 * @param {URLSearchParams} said
 * @returns {{get: boolean, span: string, path: string, ip: string, audience: string, name: string, raw: string[]}}
 *   path, ip and audience as their fields have them: items, parted by spaces
 */
export function readLink(said) {
  const lists = Object.fromEntries(
    LISTS.map((name) => [name, said.getAll(name).filter(Boolean).map(encodeItem).join(" ")]),
  );
  const methods = said.getAll("method").filter(Boolean).map(encodeItem);
  // Methods beside those of reading have no button of their own.
  if (said.has("get") && methods.length) methods.unshift("GET", "HEAD");
  const unique = [...new Set(methods)];
  return {
    get: said.has("get") && !methods.length,
    span: said.get("for") ?? "",
    ...lists,
    name: said.get("name") ?? "",
    raw: unique.length ? [`method ${unique.length > 1 ? "in" : "="} ${unique.join(" ")}`] : [],
  };
}

/** Write a link that says the same. */
export function writeLink(said) {
  const lists = LISTS.flatMap((name) =>
    said[name]
      .split(/\s+/)
      .filter(Boolean)
      .map((item) => [name, plain(item)]),
  );
  const pairs = [...lists, ["for", said.span], ["name", said.name]].filter(([, value]) => value);
  const written = pairs.map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2F", "/")}`);
  const all = [...written, ...(said.get ? ["get"] : [])];
  return all.length ? `/narrow?${all.join("&")}` : "/narrow";
}

function plain(item) {
  try {
    return decodeURIComponent(item);
  } catch {
    return item; // no percent-encoding: the field says what is wrong with it
  }
}
