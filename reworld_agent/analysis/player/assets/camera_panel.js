// Camera pictures in step with the time, with the plan's carpet, the human's line, and what is hit.

import { fitted } from "./birdseye.js";
import { DASHES, palette } from "./colours.js";
import { project, relative } from "./camera_model.js";
import { driversOf } from "./draw_actors.js";
import { hitTracks } from "./draw_failure.js";
import { boxCorners, egoCorners, poseAt, trackAt } from "./motion.js";

const FRAME_S = 0.5, OBJECT_M = 1.5;

export class CameraPanel {
  constructor(host, scene, camera, pictureOf) {
    Object.assign(this, { scene, camera, pictureOf, pictures: new Map() });
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.caption = document.createElement("figcaption");
    const figure = document.createElement("figure");
    figure.className = "camera";
    figure.append(this.canvas, this.caption);
    host.append(figure);
  }

  /** The latest picture at a time: [frame number, image]. */
  frameAt(time) {
    const past = this.camera.frames.filter(([number]) => number * FRAME_S <= time + 1e-6);
    return past.pop() || this.camera.frames[0];
  }

  async draw(step, shown) {
    this.wanted = [step, shown];
    const [number, image] = this.frameAt(step * this.scene.dt);
    if (!this.pictures.has(image)) this.pictures.set(image, this.load(image));
    const bitmap = await this.pictures.get(image);
    if (this.wanted[0] !== step) return;
    this.paint(bitmap, number, step, shown);
  }

  async load(image) {
    const bytes = Uint8Array.from(atob(this.pictureOf(image)), (c) => c.charCodeAt(0));
    try {
      return await createImageBitmap(new Blob([bytes], { type: "image/webp" }));
    } catch {
      return null; // a picture that this browser cannot read is left out
    }
  }

  paint(bitmap, number, step, shown) {
    const width = this.canvas.clientWidth || 480;
    const [full, tall] = this.camera.size;
    const context = fitted(this.canvas, width, width * tall / full);
    const colours = palette();
    if (bitmap) context.drawImage(bitmap, 0, 0, width, width * tall / full);
    context.scale(width / full, width / full);
    this.unit = full / width;
    const seconds = number * FRAME_S;
    const place = this.recorder(seconds);
    if (place) this.overlay(context, place, seconds / this.scene.dt, shown, colours);
    const name = this.camera.name.replace("cam_", "camera ");
    this.caption.textContent = `${name}, recorded at ${seconds.toFixed(1)} s`;
    this.canvas.setAttribute("aria-label", `${this.caption.textContent}, with the plan`);
  }

  /** Where the recording car was: at t0 the ego's place, later the human's. */
  recorder(seconds) {
    if (seconds === 0) return { x: 0, y: 0, heading: 0 };
    return this.scene.human ? poseAt(this.scene.human, seconds / this.scene.dt) : null;
  }

  overlay(context, place, recorded, shown, colours) {
    const ground = (x, y) => project(this.camera, [...relative(place, x, y), this.camera.road]);
    for (const own of driversOf(this.scene, shown, colours)) {
      if (own.key === "reference") continue;
      if (own.filled) this.carpet(context, ground, own);
      else this.line(context, own.poses.map((pose) => ground(pose.x, pose.y)), own.colour, DASHES[own.key], 2.2);
    }
    const hit = hitTracks(this.scene.drives, this.scene.steps);
    for (const track of this.scene.tracks) {
      const pose = hit.has(track.id) && trackAt(track, recorded);
      if (pose) this.frame(context, place, boxCorners(pose, ...track.size), colours);
    }
  }

  carpet(context, ground, own) {
    const sides = [0, 3].map((corner) => own.poses.map((pose) => ground(...egoCorners(pose, this.scene.ego)[corner])));
    context.fillStyle = own.colour;
    context.globalAlpha = 0.35;
    for (let i = 0; i + 1 < own.poses.length; i += 1) {
      const cell = [sides[0][i], sides[0][i + 1], sides[1][i + 1], sides[1][i]];
      if (cell.some((point) => !point)) continue;
      context.beginPath();
      cell.forEach((point, k) => context[k ? "lineTo" : "moveTo"](...point));
      context.fill();
    }
    context.globalAlpha = 1;
    sides.forEach((side) => this.line(context, side, own.colour, own.dash, 1.8));
  }

  line(context, points, colour, dash, width) {
    for (const [tint, more] of [["#ffffff", 1.6], [colour, 0]]) {
      context.strokeStyle = tint;
      context.lineWidth = (width + more) * this.unit;
      context.setLineDash(more ? [] : dash.map((part) => part * this.unit));
      context.beginPath();
      let pen = false;
      for (const point of points) {
        if (point) context[pen ? "lineTo" : "moveTo"](...point);
        pen = Boolean(point);
      }
      context.stroke();
    }
    context.setLineDash([]);
  }

  /** Wire frame of an object; a log's boxes on the ground have no height here. */
  frame(context, place, corners, colours) {
    const level = (height) => corners.map(([x, y]) => project(this.camera, [...relative(place, x, y), this.camera.road + height]));
    const low = level(0), high = level(OBJECT_M);
    if ([...low, ...high].some((point) => !point)) return;
    this.line(context, [...low, low[0]], colours.hit, [], 1.6);
    this.line(context, [...high, high[0]], colours.hit, [], 1.6);
    low.forEach((point, k) => this.line(context, [point, high[k]], colours.hit, [], 1.6));
  }
}
