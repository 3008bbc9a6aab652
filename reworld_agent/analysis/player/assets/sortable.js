// Tables that are sorted by any column, at a press of its heading.

const number = (text) => {
  const found = text.replace(/−/g, "-").replace(/,/g, "").match(/[-+]?\d+(\.\d+)?/);
  return found ? Number(found[0]) : null;
};

const keyOf = (row, column) => row.cells[column]?.dataset.sort ?? row.cells[column]?.textContent.trim() ?? "";

function compare(a, b) {
  const [x, y] = [number(a), number(b)];
  const numeric = /^[-+−±]?[\d.,]/;
  if (x !== null && y !== null && numeric.test(a) && numeric.test(b)) return x - y;
  return a.localeCompare(b);
}

function sort(table, column, heading) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  table.querySelectorAll("thead th").forEach((own) => own.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = [...body.rows].sort((a, b) => compare(keyOf(a, column), keyOf(b, column)) * (down ? -1 : 1));
  body.append(...rows);
}

export function makeSortable(table) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sort(table, column, heading));
  });
}
