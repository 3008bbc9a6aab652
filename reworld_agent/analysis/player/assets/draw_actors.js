// What moves: objects, the ego of every agent, the human, PDM-Closed, the counterfactual.

import { DASHES, classColour } from "./colours.js";
import { boxCorners, egoCorners, poseAt, trackAt, trackSpeed } from "./motion.js";

const MOVES = 0.5; // m/s, from which on an object is named

export function polygon(context, view, corners) {
  context.beginPath();
  corners.forEach(([x, y], i) => context[i ? "lineTo" : "moveTo"](...view.pixel(x, y)));
  context.closePath();
}

export function drawTracks(context, view, scene, step, hit, colours) {
  context.setLineDash([]);
  for (const track of scene.tracks) {
    const pose = trackAt(track, step);
    if (!pose) continue;
    const struck = hit.has(track.id);
    polygon(context, view, boxCorners(pose, ...track.size));
    context.fillStyle = struck ? colours.hit : classColour(colours, track.type);
    context.globalAlpha = struck ? 1 : 0.75;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = struck ? colours.mark : colours.ink;
    context.lineWidth = struck ? 2.5 : 0.8;
    context.stroke();
    if (track.type < 3) drawNose(context, view, pose, track.size[0], colours);
  }
}

/** A short line from the centre to the front: which way an object looks. */
function drawNose(context, view, pose, length, colours) {
  const ahead = [pose.x + Math.cos(pose.heading) * length / 2, pose.y + Math.sin(pose.heading) * length / 2];
  context.strokeStyle = colours.ink;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(...view.pixel(pose.x, pose.y));
  context.lineTo(...view.pixel(...ahead));
  context.stroke();
}

/** Names and speeds of what moves, the nearest to the ego first. */
export function nameTracks(labels, view, scene, step, ego, colours) {
  const near = scene.tracks
    .map((track) => ({ track, pose: trackAt(track, step) }))
    .filter(({ pose }) => pose)
    .map((own) => ({ ...own, speed: trackSpeed(own.track, step, scene.dt) }))
    .filter(({ speed }) => speed > MOVES)
    .sort((a, b) => Math.hypot(a.pose.x - ego.x, a.pose.y - ego.y) - Math.hypot(b.pose.x - ego.x, b.pose.y - ego.y));
  for (const { track, pose, speed } of near.slice(0, 14)) {
    const reach = view.scale * track.size[1] / 2 + 3;
    labels.place(`${track.id.slice(0, 4)} ${speed.toFixed(1)} m/s`, view.pixel(pose.x, pose.y), { size: 11, clear: reach, colour: colours.soft });
  }
}

export function drawPath(context, view, poses, colour, dash, width = 2) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  poses.forEach((pose, i) => context[i ? "lineTo" : "moveTo"](...view.pixel(pose.x, pose.y)));
  context.stroke();
  context.setLineDash([]);
}

/** The lines that the four corners of the ego sweep. */
export function drawSweep(context, view, poses, ego, colour) {
  context.strokeStyle = colour;
  context.globalAlpha = 0.45;
  context.lineWidth = 0.8;
  for (let corner = 0; corner < 4; corner += 1) {
    context.beginPath();
    poses.forEach((pose, i) => context[i ? "lineTo" : "moveTo"](...view.pixel(...egoCorners(pose, ego)[corner])));
    context.stroke();
  }
  context.globalAlpha = 1;
}

export function drawEgo(context, view, pose, ego, colour, dash, filled) {
  polygon(context, view, egoCorners(pose, ego));
  if (filled) {
    context.fillStyle = colour;
    context.globalAlpha = 0.28;
    context.fill();
    context.globalAlpha = 1;
  }
  context.strokeStyle = colour;
  context.setLineDash(dash);
  context.lineWidth = filled ? 2.2 : 1.5;
  context.stroke();
  context.setLineDash([]);
}

/** The points that the planner itself asked for, and of a rollout the latest plan. */
export function drawAsked(context, view, drive, step, colour) {
  const plan = drive.plans.filter((own) => own.step <= step + 1e-6).pop();
  const path = plan ? plan.path : drive.asked;
  context.fillStyle = colour;
  for (let i = 0; i < path.length; i += 2) {
    const [px, py] = view.pixel(path[i], path[i + 1]);
    context.beginPath();
    context.arc(px, py, 2.4, 0, 2 * Math.PI);
    context.fill();
  }
}

/** Everybody who drives: [{name, poses, colour, dash, filled, drive}], the reference first. */
export function driversOf(scene, shown, colours) {
  const list = [];
  const add = (key, name, poses, more = {}) => {
    if (poses && shown[key] !== false) list.push({ key, name, poses, colour: colours[key], dash: DASHES[key], ...more });
  };
  add("reference", "PDM-Closed", scene.reference);
  add("human", "human", scene.human);
  for (const drive of [...scene.drives].reverse()) {
    const changed = drive.counterfactual;
    if (changed && shown.counterfactual) add("counterfactual", changed.text, changed.poses);
    add(drive.key, drive.name, drive.poses, { drive, filled: true });
  }
  return list;
}

export function drawDrivers(context, view, scene, drivers, step) {
  for (const own of drivers) {
    drawPath(context, view, own.poses, own.colour, own.dash, own.filled ? 2.4 : 1.8);
    if (own.filled) drawSweep(context, view, own.poses, scene.ego, own.colour);
  }
  for (const own of drivers) {
    if (own.drive) drawAsked(context, view, own.drive, step, own.colour);
    drawEgo(context, view, poseAt(own.poses, step), scene.ego, own.colour, own.dash, own.filled);
  }
}
