// From metres (x forward, y left) to pixels (right, down), with pan and zoom.

import { trackAt } from "./motion.js";

const LEAST_SPAN = 34, MARGIN = 9, MOST_ZOOM = 12, LEAST_ZOOM = 0.35;

/** The points that a view of the scene must show: every driver's way, and what is marked. */
function extent(scene) {
  const points = [];
  const add = (poses) => poses && poses.forEach((pose) => points.push([pose.x, pose.y]));
  scene.drives.forEach((drive) => add(drive.poses));
  add(scene.human);
  add(scene.reference);
  for (const { failed } of scene.drives.flatMap((drive) => drive.metrics)) {
    const track = failed && scene.tracks.find((own) => own.id === failed.track && own.to >= failed.step);
    if (track) add([trackAt(track, Math.max(failed.step, track.from))]);
  }
  if (!points.length) points.push([0, 0]);
  const xs = points.map((p) => p[0]), ys = points.map((p) => p[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

export class Viewport {
  constructor(scene) {
    this.box = extent(scene);
    this.reset();
  }

  reset() {
    this.zoom = 1;
    this.shift = [0, 0];
  }

  /** Fit into width × height pixels. */
  resize(width, height) {
    const [lowX, lowY, highX, highY] = this.box;
    this.width = width;
    this.height = height;
    this.centre = [(lowX + highX) / 2, (lowY + highY) / 2];
    const spanX = Math.max(highX - lowX + 2 * MARGIN, LEAST_SPAN);
    const spanY = Math.max(highY - lowY + 2 * MARGIN, LEAST_SPAN * 0.5);
    this.fit = Math.min(width / spanX, height / spanY);
  }

  get scale() {
    return this.fit * this.zoom;
  }

  pixel(x, y) {
    return [
      this.width / 2 + (x - this.centre[0]) * this.scale + this.shift[0],
      this.height / 2 - (y - this.centre[1]) * this.scale + this.shift[1],
    ];
  }

  /** Whether something of a ring [x, y, x, y, …] may be in the picture, by the box around it. */
  shows(ring) {
    const xs = ring.filter((_, i) => i % 2 === 0), ys = ring.filter((_, i) => i % 2);
    const [left, low] = this.pixel(Math.min(...xs), Math.min(...ys));
    const [right, high] = this.pixel(Math.max(...xs), Math.max(...ys));
    return right > 0 && left < this.width && low > 0 && high < this.height;
  }

  pan(dx, dy) {
    this.shift = [this.shift[0] + dx, this.shift[1] + dy];
  }

  /** Zoom by a factor and keep the point under a pixel where it is. */
  zoomAt(factor, px, py) {
    const zoom = Math.min(Math.max(this.zoom * factor, LEAST_ZOOM), MOST_ZOOM);
    const real = zoom / this.zoom;
    this.shift = [
      (this.shift[0] - (px - this.width / 2)) * real + (px - this.width / 2),
      (this.shift[1] - (py - this.height / 2)) * real + (py - this.height / 2),
    ];
    this.zoom = zoom;
  }

  /** Keep a point of the scene in the middle. */
  follow(x, y) {
    this.shift = [
      -(x - this.centre[0]) * this.scale, (y - this.centre[1]) * this.scale,
    ];
  }
}
