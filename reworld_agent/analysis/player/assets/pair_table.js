// Two agents in one scene: each metric of both, and the difference.

import { breakable, difference, element, percent } from "./elements.js";

export function pairTable(scene) {
  const [a, b] = scene.drives;
  const cell = (text) => element("td", { text });
  const line = (name, first, second) => element("tr", {},
    element("th", { scope: "row", text: name }), cell(percent(first)), cell(percent(second)), cell(difference(first, second)));
  const heads = ["%", a.label, b.label, "difference"].map((text) => element("th", { scope: "col" }, ...breakable(text)));
  const rows = a.metrics.map((own, i) => line(own.short, own.value, b.metrics[i] && b.metrics[i].value));
  rows.push(line("score", a.score, b.score));
  const table = element("table", { class: "numbers pair" },
    element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  return element("div", { class: "scroll" }, table);
}
