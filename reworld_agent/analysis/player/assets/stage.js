// The bird's-eye pictures of the player: one, or two side by side; panned and zoomed together.

import { drawScene } from "./birdseye.js";
import { element } from "./elements.js";
import { poseAt } from "./motion.js";
import { Viewport } from "./viewport.js";

const WIDE = 0.62; // height of a picture by its width
const CLICK = 6; // px

export class Stage {
  constructor(host, scene, redraw) {
    Object.assign(this, { host: element("div", { class: "stage" }), scene, redraw });
    host.append(this.host);
    this.view = new Viewport(scene);
    this.split(false);
  }

  /** Show all agents in one picture, or each in its own. */
  split(apart) {
    this.apart = apart && this.scene.drives.length > 1;
    const scenes = this.apart ? this.scene.drives.map((drive) => alone(this.scene, drive)) : [this.scene];
    this.host.replaceChildren();
    this.host.classList.toggle("apart", this.apart);
    this.pictures = scenes.map((scene) => {
      const canvas = element("canvas", { role: "img", tabindex: "-1" });
      const figure = element("figure", {}, canvas);
      if (this.apart) figure.append(element("figcaption", { text: scene.drives[0].label }));
      this.host.append(figure);
      this.listen(canvas);
      return { canvas, scene };
    });
    this.layout();
  }

  layout() {
    const width = this.pictures[0].canvas.clientWidth || this.host.clientWidth || 360;
    const height = Math.round(Math.max(Math.min(width * WIDE, window.innerHeight * 0.62), 220));
    this.pictures.forEach(({ canvas }) => { canvas.style.height = `${height}px`; });
    this.view.resize(width, height);
  }

  listen(canvas) {
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), ...at(event));
    }, { passive: false });
    const fingers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, at(event));
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (fingers.has(event.pointerId)) this.drag(fingers, event.pointerId, at(event));
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", () => this.reset());
  }

  /** One finger pans, two zoom. */
  drag(fingers, id, now) {
    const before = fingers.get(id), other = [...fingers.entries()].find(([key]) => key !== id);
    if (other) {
      const apart = (p) => Math.max(Math.hypot(p[0] - other[1][0], p[1] - other[1][1]), CLICK);
      this.view.zoomAt(apart(now) / apart(before), ...other[1]);
    } else {
      this.view.pan(now[0] - before[0], now[1] - before[1]);
    }
    fingers.set(id, now);
    this.redraw();
  }

  zoom(factor, x = this.view.width / 2, y = this.view.height / 2) {
    this.view.zoomAt(factor, x, y);
    this.redraw();
  }

  reset() {
    this.view.reset();
    this.redraw();
  }

  draw(step, shown) {
    if (shown.follow && this.scene.drives.length) {
      const pose = poseAt(this.scene.drives[0].poses, step);
      this.view.follow(pose.x, pose.y);
    }
    this.labels = this.pictures.map(({ canvas, scene }) => {
      canvas.setAttribute("aria-label", describe(scene, step));
      return drawScene(canvas, this.view, scene, step, shown);
    });
  }
}

/** A scene with one agent, among the objects as they moved beside it. */
function alone(scene, drive) {
  return { ...scene, tracks: drive.tracks || scene.tracks, drives: [{ ...drive, tracks: null }] };
}

/** A picture in words, for who cannot see it. */
export function describe(scene, step) {
  const lost = scene.drives.flatMap((drive) => drive.metrics.filter((own) => own.failed).map((own) => own.failed.sentence));
  return `bird's eye at ${(step * scene.dt).toFixed(1)} s. ${lost.join(". ") || "passes every metric"}`;
}
