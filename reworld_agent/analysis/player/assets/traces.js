// What decides each metric, as a line over time, with the bound and the failing instant.

import { DASHES, palette } from "./colours.js";
import { percent, svg, element } from "./elements.js";
import { valueAt } from "./motion.js";

const HEIGHT = 58, TOP = 6, BOTTOM = 6, LEFT = 8, RIGHT = 8;

/** [low, high] of all lines and the bound, with some room. */
function range(lines, bound) {
  const values = lines.flatMap((line) => line.values).filter((value) => value !== null);
  if (bound !== null) values.push(bound);
  if (!values.length) return [0, 1];
  const low = Math.min(...values), high = Math.max(...values), room = Math.max(high - low, 1e-3) * 0.12;
  return [low - room, high + room];
}

function pathOf(values, x, y) {
  let pen = false;
  return values.map((value, i) => {
    const part = value === null ? "" : `${pen ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value !== null;
    return part;
  }).join("");
}

class Chart {
  /** @param spec {title, unit, lines: [{name, key, values}], bound, above, failed: [{step, text, key}]} */
  constructor(host, spec, steps, seek) {
    Object.assign(this, { spec, steps });
    this.root = svg("svg", { height: HEIGHT, role: "img", "aria-label": this.description() });
    this.root.classList.add("trace");
    this.root.addEventListener("pointerdown", (event) => {
      const box = this.root.getBoundingClientRect();
      seek(Math.round((event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT) * (steps - 1)));
    });
    this.title = element("p", { class: "trace-title" });
    host.append(this.title, this.root);
    this.layout();
  }

  description() {
    const lost = this.spec.failed.map((own) => `fails at ${(own.step / 10).toFixed(1)} s ${own.text}`);
    return `${this.spec.title}: ${lost.join(", ") || "holds"}`;
  }

  layout() {
    const { spec } = this, colours = palette();
    const width = this.root.parentElement.clientWidth || 320;
    this.root.setAttribute("width", width);
    this.root.replaceChildren();
    const [low, high] = range(spec.lines, spec.bound);
    this.x = (step) => LEFT + step / (this.steps - 1) * (width - LEFT - RIGHT);
    const y = (value) => TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM);
    if (spec.bound !== null) this.drawBound(y, low, high, width, colours);
    for (const line of spec.lines) {
      this.root.append(svg("path", {
        d: pathOf(line.values, this.x, y), fill: "none", stroke: colours[line.key],
        "stroke-width": 1.8, "stroke-dasharray": DASHES[line.key].join(" "), "data-line": line.key,
      }));
    }
    if (!spec.lines.length) this.root.append(svg("line", { x1: LEFT, x2: width - RIGHT, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM, stroke: colours.lane }));
    for (const own of spec.failed) this.drawFailure(own, y, colours);
    this.cursor = svg("line", { y1: TOP - 2, y2: HEIGHT - BOTTOM + 2, stroke: colours.ink, "stroke-width": 1.2 });
    this.root.append(this.cursor);
  }

  drawBound(y, low, high, width, colours) {
    const { bound, above } = this.spec, at = y(bound);
    const [from, to] = above ? [y(high), at] : [at, y(low)];
    this.root.append(
      svg("rect", { x: LEFT, width: width - LEFT - RIGHT, y: from, height: Math.max(to - from, 0), fill: colours.mark, opacity: 0.12 }),
      svg("line", { x1: LEFT, x2: width - RIGHT, y1: at, y2: at, stroke: colours.mark, "stroke-dasharray": "4 3" }),
    );
  }

  /** A cross at the failing instant, on the line where it has a value there. */
  drawFailure(own, y, colours) {
    const value = valueAt(own.values || [null], own.step);
    const [cx, cy] = [this.x(own.step), value === null ? HEIGHT - BOTTOM : y(value)];
    this.root.append(svg("path", {
      d: `M${cx - 5} ${cy - 5}l10 10m0 -10l-10 10`, stroke: colours.mark, "stroke-width": 2.4, class: "failed", "data-step": own.step,
    }));
  }

  draw(step, shown) {
    const { spec } = this;
    this.root.querySelectorAll("[data-line]").forEach((path) => {
      path.style.display = shown[path.dataset.line] === false ? "none" : "";
    });
    this.cursor.setAttribute("x1", this.x(step));
    this.cursor.setAttribute("x2", this.x(step));
    const now = spec.lines.filter((line) => line.key === "plan" || line.key === "other").map((line) => {
      const value = valueAt(line.values, step);
      return value === null ? "–" : value.toFixed(2);
    });
    const value = now.length ? `: ${now.join(" | ")}${spec.unit ? ` ${spec.unit}` : ""}` : "";
    this.title.textContent = `${spec.title}${value}`;
  }
}

/** What the charts of a scene show: each metric with a line, then the speeds. */
export function chartSpecs(scene) {
  const keys = ["plan", "other"], [first] = scene.drives;
  if (!first) return [];
  const specs = first.metrics.map((metric, i) => {
    const own = scene.drives.map((drive, k) => ({ ...drive.metrics[i], key: keys[k] }));
    const lines = own.filter((one) => one && one.trace).map((one) => ({ key: one.key, values: one.trace.values }));
    const trace = metric.trace || { bound: null, above: false, unit: "", what: metric.title };
    if (metric.trace && trace.reference) lines.push({ key: "reference", values: trace.reference });
    const failed = own.filter((one) => one && one.failed).map((one) => ({
      ...one.failed, key: one.key, values: one.trace && one.trace.values,
    }));
    const scores = own.map((one) => percent(one && one.value, 0)).join(" | ");
    return { title: `${metric.short} ${scores} %, ${trace.what}`, unit: trace.unit, bound: trace.bound, above: trace.above, lines, failed };
  });
  const speeds = scene.drives.map((drive, k) => ({ key: keys[k], values: drive.speed }));
  if (first.counterfactual) speeds.push({ key: "counterfactual", values: first.counterfactual.speed });
  specs.push({ title: "speed", unit: "m/s", bound: null, above: false, lines: speeds, failed: [] });
  return specs;
}

/** Names of the lines, each with a piece of it. */
function seriesLegend(scene) {
  const [first, second] = scene.drives, colours = palette();
  const names = [["plan", first && first.name], ["other", second && second.name],
    ["reference", scene.reference && "PDM-Closed"], ["counterfactual", first && first.counterfactual && "what passes"]];
  const row = element("p", { class: "series" });
  for (const [key, name] of names.filter(([, text]) => text)) {
    const piece = svg("svg", { width: 30, height: 8, "aria-hidden": "true" });
    piece.append(svg("line", { x1: 0, x2: 30, y1: 4, y2: 4, stroke: colours[key], "stroke-width": 2, "stroke-dasharray": DASHES[key].join(" ") }));
    row.append(element("span", {}, piece, ` ${name}`));
  }
  if (first) row.append(element("span", { class: "muted", text: "✕ fails; shaded: beyond the bound; press a line to go there" }));
  return row;
}

export class Traces {
  constructor(host, scene, seek) {
    this.host = element("div", { class: "traces" });
    this.scene = scene;
    this.legend = seriesLegend(scene);
    host.append(this.legend, this.host);
    this.charts = chartSpecs(scene).map((spec) => {
      const cell = element("div", {});
      this.host.append(cell);
      return new Chart(cell, spec, scene.steps, seek);
    });
  }

  layout() {
    const legend = seriesLegend(this.scene);
    this.legend.replaceWith(legend);
    this.legend = legend;
    this.charts.forEach((chart) => chart.layout());
  }

  draw(step, shown) {
    this.charts.forEach((chart) => chart.draw(step, shown));
  }
}
