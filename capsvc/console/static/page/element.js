// Elements, made one by one: what stands in a macaroon is text, and is never read as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node|string)} children a string becomes text, whatever is in it
 */
export function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

/** Make an element of a drawing. */
export function drawing(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

/** Find what the page's template has under an id. */
export function found(id) {
  return document.getElementById(id);
}

/** Say something in an element that announces itself; the same again is not said twice. */
export function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
