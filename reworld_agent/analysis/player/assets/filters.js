// Choosing and ordering scenes, by the form of the page.

const KEYS = ["metric", "class", "command", "city", "outcome", "kind"];

const valuesOf = (scene, key) => (key === "metric" ? scene.metrics : [scene[key]]).filter(Boolean);

/** A row of the table as a scene of the gallery. */
const ofRow = (data) => ({ ...data, metrics: (data.metric || "").split("|"), kind: "" });

const ORDERS = {
  given: () => 0,
  best: (a, b) => (b.score ?? -1) - (a.score ?? -1),
  worst: (a, b) => (a.score ?? 2) - (b.score ?? 2),
  token: (a, b) => (a.token < b.token ? -1 : 1),
  speed: (a, b) => (b.speed ?? -1) - (a.speed ?? -1),
  class: (a, b) => (a.class < b.class ? -1 : a.class > b.class ? 1 : 0),
};

export class Filters {
  /**
   * @param scenes those of the gallery.
   * @param rows of the table of failures, which may hold more scenes.
   * @param changed called with the numbers of the scenes that are left, in order.
   */
  constructor(form, scenes, rows, changed) {
    Object.assign(this, { form, scenes, changed });
    this.rows = rows.map((row) => ({ row, scene: ofRow(row.dataset) }));
    for (const key of KEYS) this.fill(key);
    form.addEventListener("input", () => this.apply());
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(() => this.apply()));
  }

  fill(key) {
    const select = this.form.elements[key];
    if (!select) return;
    const values = new Set([...this.scenes, ...this.rows.map((own) => own.scene)].flatMap((scene) => valuesOf(scene, key)));
    [...values].sort().forEach((value) => select.add(new Option(value, value)));
    if (values.size < 2) select.closest("label").hidden = true;
  }

  matches(scene) {
    const text = this.form.elements.text.value.trim().toLowerCase();
    return KEYS.every((key) => {
      const wanted = this.form.elements[key]?.value;
      return !wanted || valuesOf(scene, key).includes(wanted);
    }) && `${scene.token} ${scene.log}`.toLowerCase().includes(text);
  }

  /** Choose one value and nothing else. */
  only(key, value) {
    this.form.reset();
    this.form.elements[key].value = value;
    this.apply();
  }

  apply() {
    const chosen = [...this.scenes.keys()].filter((number) => this.matches(this.scenes[number]));
    const order = ORDERS[this.form.elements.order?.value] || ORDERS.given;
    chosen.sort((a, b) => order(this.scenes[a], this.scenes[b]) || a - b);
    for (const { row, scene } of this.rows) row.hidden = !this.matches(scene);
    this.changed(chosen, this.rows.filter(({ row }) => !row.hidden).length);
  }
}
