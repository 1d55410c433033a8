// A token as a picture, for the camera of a telephone. The library is loaded when the first one is drawn.
import { drawing } from "./element.js";

/** What a camera still reads off a screen. */
export const MOST_CHARACTERS = 1200;
const QUIET_MODULES = 4;
const WIDTH = 420;

/** Draw a text as a QR code, at the lowest level of correction: on a screen nothing is smudged. */
export async function qrCode(text) {
  const { qrcode } = await import("../vendor/qrcode-generator.js");
  const code = qrcode(0, "L");
  code.addData(text, "Byte");
  code.make();
  const size = code.getModuleCount(),
    side = size + 2 * QUIET_MODULES;
  const squares = [];
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      if (code.isDark(row, column)) squares.push(`M${column + QUIET_MODULES} ${row + QUIET_MODULES}h1v1h-1z`);
    }
  }
  return drawing(
    "svg",
    {
      viewBox: `0 0 ${side} ${side}`,
      // Whole pixels for each module, so that all have one size.
      width: String(side * Math.max(2, Math.floor(WIDTH / side))),
      role: "img",
      "aria-label": "QR code of the narrowed macaroon",
      "shape-rendering": "crispEdges",
    },
    drawing("rect", { class: "paper", width: String(side), height: String(side) }),
    drawing("path", { class: "print", d: squares.join("") }),
  );
}
