// One scene, played: pictures, cameras, lines over time, and their controls.

import { CameraPanel } from "./camera_panel.js";
import { element, percent } from "./elements.js";
import { Films } from "./films.js";
import { pairTable } from "./pair_table.js";
import { Stage } from "./stage.js";
import { Traces } from "./traces.js";

const SPEEDS = [0.25, 0.5, 1, 2, 4];
const TOGGLES = [
  ["human", "human", (scene) => scene.human],
  ["reference", "PDM-Closed", (scene) => scene.reference],
  ["counterfactual", "what passes", (scene) => scene.drives.some((drive) => drive.counterfactual)],
  ["names", "names", (scene) => scene.tracks.length],
  ["follow", "follow", (scene) => scene.drives.length],
  ["apart", "side by side", (scene) => scene.drives.length > 1],
];

export class Player {
  /**
   * @param host element that is filled.
   * @param scene of decode.js.
   * @param options {pictureOf: number → base64, moved: (seconds) → nothing, step}.
   */
  constructor(host, scene, options) {
    Object.assign(this, { host, scene, options, step: 0, speed: 1, playing: false });
    this.shown = { human: true, reference: true, names: true, counterfactual: false, follow: false };
    host.replaceChildren();
    const pictures = element("div", { class: "pictures" });
    host.append(pictures);
    this.parts = [];
    if (scene.drives.length || scene.tracks.length) {
      this.stage = new Stage(pictures, scene, () => this.draw());
      this.parts.push(this.stage);
    }
    const cameras = element("div", { class: "cameras" });
    scene.cameras.forEach((camera) => this.parts.push(new CameraPanel(cameras, scene, camera, options.pictureOf)));
    if (scene.cameras.length) pictures.append(cameras);
    if (scene.films.length) this.parts.push(new Films(pictures, scene, options.pictureOf));
    host.append(this.controls());
    if (scene.drives.length > 1) host.append(pairTable(scene));
    this.parts.push(new Traces(host, scene, (step) => this.seek(step)));
    host.append(this.words());
    this.resized = () => this.repaint();
    window.addEventListener("resize", this.resized);
    this.layout();
    this.seek(options.step ?? this.failures()[0] ?? 0);
  }

  close() {
    this.pause();
    window.removeEventListener("resize", this.resized);
    this.host.replaceChildren();
  }

  controls() {
    const { scene } = this, end = scene.steps - 1;
    this.button = element("button", { type: "button", class: "play", "aria-label": "play", text: "▶", onclick: () => this.toggle() });
    this.slider = element("input", { type: "range", min: 0, max: end, step: 0.1, "aria-label": "time", oninput: () => this.seek(Number(this.slider.value)) });
    this.clock = element("output", { class: "clock" });
    this.speeds = element("select", { "aria-label": "speed", onchange: () => { this.speed = Number(this.speeds.value); } });
    SPEEDS.forEach((speed) => this.speeds.append(element("option", { value: speed, text: `${speed}×`, selected: speed === 1 })));
    const failed = element("button", { type: "button", text: "next failure", onclick: () => this.nextFailure(), disabled: !this.failures().length });
    const bar = element("div", { class: "controls" }, this.button, this.slider, this.clock, this.speeds, failed);
    if (this.stage) {
      for (const [text, label, act] of [["+", "zoom in", () => this.stage.zoom(1.4)], ["−", "zoom out", () => this.stage.zoom(1 / 1.4)], ["fit", "whole scene", () => this.stage.reset()]]) {
        bar.append(element("button", { type: "button", text, "aria-label": label, onclick: act }));
      }
    }
    bar.append(...this.toggles());
    return bar;
  }

  toggles() {
    this.boxes = {};
    return TOGGLES.filter(([, , known]) => known(this.scene)).map(([key, text]) => {
      const box = element("input", { type: "checkbox", "data-shown": key, onchange: () => this.show(key, box.checked) });
      box.checked = Boolean(this.shown[key]);
      this.boxes[key] = box;
      return element("label", { class: "toggle" }, box, ` ${text}`);
    });
  }

  show(key, value) {
    this.shown[key] = value;
    if (this.boxes[key]) this.boxes[key].checked = value;
    if (key === "apart" && this.stage) this.stage.split(value);
    if (key === "follow" && !value && this.stage) this.stage.view.reset();
    this.draw();
  }

  flip(key) {
    if (this.boxes[key]) this.show(key, !this.shown[key]);
  }

  words() {
    const list = element("ul", { class: "sentences" });
    for (const drive of this.scene.drives) {
      const name = this.scene.drives.length > 1 ? `${drive.label}: ` : "";
      const failed = drive.metrics.filter((own) => own.failed);
      for (const own of failed) list.append(element("li", { text: name + own.failed.sentence }));
      if (!failed.length) list.append(element("li", { text: `${name}passes every metric` }));
      const changed = drive.counterfactual;
      if (changed) list.append(element("li", { text: `${name}what passes: ${changed.text}, score ${percent(changed.score)} %` }));
    }
    for (const note of this.scene.notes) list.append(element("li", { class: "muted", text: note }));
    return list;
  }

  /** Steps at which something fails, in order. */
  failures() {
    const steps = this.scene.drives.flatMap((drive) => drive.metrics.filter((own) => own.failed).map((own) => own.failed.step));
    return [...new Set(steps)].sort((a, b) => a - b);
  }

  nextFailure() {
    const steps = this.failures();
    this.seek(steps.find((step) => step > this.step + 1e-6) ?? steps[0] ?? 0);
  }

  seek(step) {
    this.step = Math.min(Math.max(step, 0), this.scene.steps - 1);
    this.draw();
    if (!this.playing) this.options.moved?.(this.step * this.scene.dt);
  }

  toggle() {
    if (this.playing) this.pause(); else this.play();
  }

  play() {
    if (this.step >= this.scene.steps - 1) this.step = 0;
    this.playing = true;
    this.label();
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      const next = this.step + (now - before) / 1000 * this.speed / this.scene.dt;
      before = now;
      this.seek(next);
      if (next >= this.scene.steps - 1) this.pause(); else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  pause() {
    if (!this.playing) return;
    this.playing = false;
    this.label();
    this.options.moved?.(this.step * this.scene.dt);
  }

  label() {
    this.button.textContent = this.playing ? "❚❚" : "▶";
    this.button.setAttribute("aria-label", this.playing ? "pause" : "play");
  }

  layout() {
    this.parts.forEach((part) => part.layout?.());
  }

  /** Fit into the page and draw again, in the colours that now hold. */
  repaint() {
    this.layout();
    this.draw();
  }

  draw() {
    if (!this.slider) return;
    this.parts.forEach((part) => part.draw(this.step, this.shown));
    this.slider.value = this.step;
    const time = `${(this.step * this.scene.dt).toFixed(1)} s`;
    this.slider.setAttribute("aria-valuetext", time);
    this.clock.textContent = `${time} of ${((this.scene.steps - 1) * this.scene.dt).toFixed(1)} s`;
  }

  /** A key of the keyboard; true where it means something. */
  key(event) {
    const step = event.shiftKey ? 5 : 1;
    const acts = {
      " ": () => this.toggle(), k: () => this.toggle(),
      ArrowRight: () => this.seek(Math.round(this.step) + step), ArrowLeft: () => this.seek(Math.round(this.step) - step),
      Home: () => this.seek(0), End: () => this.seek(this.scene.steps - 1),
      f: () => this.nextFailure(), c: () => this.flip("counterfactual"), h: () => this.flip("human"),
      r: () => this.flip("reference"), i: () => this.flip("names"), s: () => this.flip("apart"), g: () => this.flip("follow"),
      "+": () => this.stage?.zoom(1.25), "=": () => this.stage?.zoom(1.25), "-": () => this.stage?.zoom(0.8), 0: () => this.stage?.reset(),
    };
    const act = acts[event.key];
    if (act) act();
    return Boolean(act);
  }
}
