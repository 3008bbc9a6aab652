// One bird's-eye picture of a scene at a time.

import { CLASS_NAMES, palette } from "./colours.js";
import { driversOf, drawDrivers, drawTracks, nameTracks } from "./draw_actors.js";
import { drawFailures, hitTracks, nameFailures } from "./draw_failure.js";
import { drawGround, drawLights, drawScale, stateAt } from "./draw_ground.js";
import { Labels } from "./labels.js";
import { boxCorners, egoCorners, poseAt, trackAt } from "./motion.js";

/** Size a canvas to its box on the page; its context, in CSS pixels. */
export function fitted(canvas, width, height) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/**
 * Draw a scene.
 * @param shown which drivers, names, and so on: {human, reference, counterfactual, names, legend}.
 * @returns the labels that were written, for tests.
 */
export function drawScene(canvas, view, scene, step, shown) {
  const colours = palette();
  const context = fitted(canvas, view.width, view.height);
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, view.width, view.height);
  drawGround(context, view, scene, colours);
  drawLights(context, view, scene, step, colours);
  drawTracks(context, view, scene, step, hitTracks(scene.drives, step), colours);
  const drivers = driversOf(scene, shown, colours);
  drawDrivers(context, view, scene, drivers, step);
  scene.drives.forEach((drive) => drawFailures(context, view, scene, drive, step, colours));
  const labels = new Labels(context, view.width, view.height, colours);
  labels.reserve(drawScale(context, view, colours));
  labels.reserve(drawClock(context, scene, step, colours));
  if (shown.legend !== false) labels.reserve(drawLegend(context, view, scene, step, colours));
  keepVisible(labels, view, scene, step, drivers);
  scene.drives.forEach((drive) => nameFailures(labels, view, scene, drive, step, colours));
  for (const own of [...drivers].reverse()) {
    const end = own.poses[own.poses.length - 1];
    labels.place(own.name, view.pixel(end.x, end.y), { colour: own.colour, bold: true, must: shown.legend !== false });
  }
  if (shown.names !== false && scene.drives.length) {
    nameTracks(labels, view, scene, step, poseAt(scene.drives[0].poses, step), colours);
  }
  return labels.drawn;
}

/** Boxes, ways and marks stay visible beside labels. */
function keepVisible(labels, view, scene, step, drivers) {
  const filled = ([a, b, c, d]) => {
    for (const u of [0, 0.25, 0.5, 0.75, 1]) {
      for (const v of [0, 0.5, 1]) {
        const at = (k) => (1 - v) * ((1 - u) * a[k] + u * b[k]) + v * ((1 - u) * d[k] + u * c[k]);
        labels.avoid(view.pixel(at(0), at(1)));
      }
    }
  };
  for (const own of drivers) {
    filled(egoCorners(poseAt(own.poses, step), scene.ego));
    own.poses.filter((_, i) => i % 3 === 0).forEach((pose) => labels.avoid(view.pixel(pose.x, pose.y)));
  }
  for (const track of scene.tracks) {
    const pose = trackAt(track, step);
    if (pose) filled(boxCorners(pose, ...track.size));
  }
  for (const { failed } of scene.drives.flatMap((drive) => drive.metrics)) {
    if (!failed || !failed.point) continue;
    const [x, y] = view.pixel(failed.point[0], failed.point[1]);
    [[0, 0], [9, 0], [-9, 0], [0, 9], [0, -9]].forEach(([dx, dy]) => labels.avoid([x + dx, y + dy]));
  }
}

function drawClock(context, scene, step, colours) {
  const text = `t = ${(step * scene.dt).toFixed(1)} s`;
  context.font = "bold 14px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "top";
  context.lineWidth = 4;
  context.strokeStyle = colours.rim;
  context.strokeText(text, 10, 9);
  context.fillStyle = colours.ink;
  context.fillText(text, 10, 9);
  return [4, 4, 16 + context.measureText(text).width, 28];
}

/** What the colours of the boxes and turning lanes in the picture mean. */
function drawLegend(context, view, scene, step, colours) {
  const types = new Set();
  for (const track of scene.tracks) {
    const pose = trackAt(track, step);
    const [x, y] = pose ? view.pixel(pose.x, pose.y) : [-1, -1];
    if (x > 0 && y > 0 && x < view.width && y < view.height) types.add(Math.min(track.type, 3));
  }
  const items = [...types].sort().map((type) => [CLASS_NAMES[type], colours.classes[type]]);
  const states = new Set(scene.lights.filter((light) => light.rings.some((ring) => view.shows(ring))).map((light) => stateAt(light, scene, step)));
  for (const [state, name, colour] of [["r", "red", colours.red], ["g", "not red", colours.green], ["-", "signal unknown", colours.unknown]]) {
    if (states.has(state)) items.push([name, colour]);
  }
  if ((scene.ground.park || []).some((ring) => view.shows(ring))) items.push(["car park", colours.park]);
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "middle";
  const y = view.height - 14, room = view.width - 130;
  let x = 10;
  for (const [name, colour] of items) {
    const width = 18 + context.measureText(name).width + 10;
    if (x + width > room) break;
    context.fillStyle = colour;
    context.fillRect(x, y - 5, 13, 10);
    context.strokeStyle = colours.ink;
    context.lineWidth = 0.6;
    context.strokeRect(x, y - 5, 13, 10);
    context.lineWidth = 3;
    context.strokeStyle = colours.rim;
    context.strokeText(name, x + 18, y);
    context.fillStyle = colours.ink;
    context.fillText(name, x + 18, y);
    x += width;
  }
  return [4, y - 10, x, view.height];
}
