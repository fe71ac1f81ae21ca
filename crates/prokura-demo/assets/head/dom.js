// Making elements. Texts are always texts, so nothing that comes from a server is ever read as markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: its attributes (`on…` are listeners, `null` and `false` are left out) and what is in it. */
export function h(name, attributes = {}, ...inside) {
  return fill(document.createElement(name), attributes, inside);
}

/** An element of a drawing. */
export function svg(name, attributes = {}, ...inside) {
  return fill(document.createElementNS(SVG, name), attributes, inside);
}

function fill(element, attributes, inside) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside.flat(3).filter(child => child !== null && child !== undefined && child !== false));
  return element;
}

/** A stable number for a text (FNV-1a), for everything that should look the same each time. */
function stableNumber(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** A company's or category's color, 1 to 6. */
export const tone = text => (stableNumber(text) % 6) + 1;

/** The picture of a product: a pattern of quarter circles, the same one each time. */
export function picture(product) {
  const cells = [...Array(8).keys()].map(position => {
    const number = stableNumber(`${position}${product.id}`) >>> 7;
    const [x, y, shade] = [(position % 4) * 40, Math.floor(position / 4) * 40, Math.floor(number / 4) % 4];
    if (Math.floor(number / 16) % 5 === 0) return svg("circle", { class: `shade-${shade}`, cx: x + 20, cy: y + 20, r: 13 });
    const turned = `translate(${x} ${y}) rotate(${(number % 4) * 90} 20 20)`;
    return svg("path", { class: `shade-${shade}`, transform: turned, d: "M0 0h40A40 40 0 0 1 0 40z" });
  });
  const ground = svg("rect", { class: "ground", width: 160, height: 80 });
  return svg("svg", { class: `picture tone-${tone(product.category)}`, viewBox: "0 0 160 80", preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" }, ground, cells);
}

/** An amount as people write it. */
export function money(amount, currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).format(Number(amount));
}

/** A date or a moment as people write it. */
export function day(text) {
  const date = new Date(text);
  return Number.isNaN(date.valueOf()) ? text : new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" }).format(date);
}
