// The attributes that this service knows: those of the language, and what its application declared.
import { BUILTIN } from "../core/index.js";

/** Ask the service for its vocabulary; where it does not say, that of the language. */
export async function vocabulary() {
  try {
    const response = await fetch("/.well-known/capsvc", { credentials: "omit", redirect: "error" });
    const { vocabulary: published } = await response.json();
    const declared = Object.entries(published).filter(([name]) => !BUILTIN.names.includes(name));
    return BUILTIN.extend(Object.fromEntries(declared.map(([name, { type }]) => [name, type])));
  } catch {
    return BUILTIN;
  }
}
