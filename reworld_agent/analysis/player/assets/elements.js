// Small helpers for the page's elements; texts are only ever set as text.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export function svg(name, attributes = {}, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

/** A name as pieces with places between them where a line may break: after _ - . and /. */
export function breakable(name) {
  const pieces = name.split(/([^_.\/-]*[_.\/-]+)/).filter(Boolean);
  return pieces.flatMap((piece, i) => (i ? [document.createElement("wbr"), piece] : [piece]));
}

/** A share in percent, as everywhere on the page; "–" where it is not known. */
export function percent(value, digits = 1) {
  return value === null || value === undefined ? "–" : (100 * value).toFixed(digits);
}

export function difference(a, b) {
  if ([a, b].some((value) => value === null || value === undefined)) return "–";
  const points = 100 * (a - b);
  return `${points > 0 ? "+" : points < 0 ? "−" : "±"}${Math.abs(points).toFixed(1)}`;
}
