// Where a plan fails: the object that is hit, the corner off the road, the projected boxes.

import { polygon } from "./draw_actors.js";
import { boxCorners, egoCorners, poseAt, trackAt } from "./motion.js";

const HELD = 6; // steps for which an instant is shown

const held = (failed, step) => step >= failed.step - 1e-6 && step <= failed.step + HELD;

/** Ids of the objects that have been hit or threatened by now. */
export function hitTracks(drives, step) {
  const found = new Set();
  for (const drive of drives.filter((own) => !own.tracks)) {
    for (const { failed } of drive.metrics) {
      if (failed && failed.track && step >= failed.step - 1e-6) found.add(failed.track);
    }
  }
  return found;
}

export function drawFailures(context, view, scene, drive, step, colours) {
  for (const { failed } of drive.metrics) {
    if (!failed) continue;
    if (failed.aheadSteps && held(failed, step)) drawProjection(context, view, scene, drive, failed, colours);
    if (drive.tracks && failed.track && held(failed, step)) drawOwnTrack(context, view, scene, drive, failed, step, colours);
    if (failed.point && step >= failed.step - 1e-6) drawCorner(context, view, failed.point, colours);
  }
}

/** The ego driven straight on, and the object when they meet. */
function drawProjection(context, view, scene, drive, failed, colours) {
  context.setLineDash([5, 3]);
  context.lineWidth = 1.4;
  context.strokeStyle = colours[drive.key];
  polygon(context, view, egoCorners(poseAt(drive.poses, failed.step), scene.ego, failed.aheadM));
  context.stroke();
  const track = tracksOf(scene, drive).find((own) => own.id === failed.track && trackAt(own, failed.step + failed.aheadSteps));
  if (track) {
    context.strokeStyle = colours.ink;
    polygon(context, view, boxCorners(trackAt(track, failed.step + failed.aheadSteps), ...track.size));
    context.stroke();
  }
  context.setLineDash([]);
}

/** The objects among which an agent drove: those of the scene, or its own. */
const tracksOf = (scene, drive) => drive.tracks || scene.tracks;

/** What an agent hits among objects of its own, outlined in the agent's colour. */
function drawOwnTrack(context, view, scene, drive, failed, step, colours) {
  const track = drive.tracks.find((own) => own.id === failed.track && trackAt(own, step));
  if (!track) return;
  context.strokeStyle = colours[drive.key];
  context.lineWidth = 2;
  polygon(context, view, boxCorners(trackAt(track, step), ...track.size));
  context.stroke();
}

function drawCorner(context, view, point, colours) {
  const [x, y] = view.pixel(point[0], point[1]);
  context.strokeStyle = colours.mark;
  context.lineWidth = 2.4;
  context.beginPath();
  context.arc(x, y, 8, 0, 2 * Math.PI);
  context.moveTo(x - 4, y - 4);
  context.lineTo(x + 4, y + 4);
  context.moveTo(x + 4, y - 4);
  context.lineTo(x - 4, y + 4);
  context.stroke();
}

/** Where a failure is to be named: its corner, its object, or the ego. */
export function failurePlace(scene, drive, failed, step) {
  if (failed.point) return [failed.point[0], failed.point[1]];
  const track = tracksOf(scene, drive).find((own) => own.id === failed.track && trackAt(own, Math.max(step, own.from)));
  const pose = track ? trackAt(track, Math.max(step, track.from)) : poseAt(drive.poses, step);
  return [pose.x, pose.y];
}

export function nameFailures(labels, view, scene, drive, step, colours) {
  for (const { short, failed } of drive.metrics) {
    if (!failed || !held(failed, step)) continue;
    const who = scene.drives.length > 1 ? `${drive.name}: ` : "";
    const text = failed.text ? `${short}: ${failed.text}` : `${short} lost`;
    const place = view.pixel(...failurePlace(scene, drive, failed, step));
    const look = { size: 13, bold: true, clear: 12, colour: colours.mark, must: true, far: true };
    if (!labels.place(who + text, place, look)) labels.place(text, place, look); // too wide for a phone
  }
}
