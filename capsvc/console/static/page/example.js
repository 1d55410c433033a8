// An example to look at: signed with a key that nobody has, so that no service anywhere accepts it.
import { attenuate, decode, encode, timeText } from "../core/index.js";

const ROOT =
  "AgEUaHR0cHM6Ly9jYXBzLmV4YW1wbGUCAmsxAAIebm9uY2UgPSAzLTBYYktpaUItVHo5d0dtMWhxLUZnAAIMdXNlciA9IGFsaWNlAAIlc2FsdC" +
  "A9IGRlZmF1bHQveER0OThUc053Rl9QUVN6ZVpqUy11UQACHHRpbWUgPj0gMjAyNi0wMS0wMVQwMDowMDowMFoAAht0aW1lIDwgMjAzNi0wMS0w" +
  "MVQwMDowMDowMFoAAAYgrSQ4zxDmKmZ721KLnbq9xWDTWwLECN3gNBKG10a8YHc";

/** Make the text of an example that ends in a few hours. */
export async function exampleToken() {
  const end = timeText(Date.now() / 1000 + 2 * 3600 + 14 * 60);
  const appended = ["path ^= /docs", "method in GET HEAD", "path ^= /docs/2026", `time < ${end}`];
  return encode(await attenuate(decode(ROOT), appended));
}
