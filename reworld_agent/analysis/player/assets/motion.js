// Where things are at a time between two steps.

const mix = (a, b, share) => a + (b - a) * share;

/** Pose at a fractional step of a list of poses; the ends hold. */
export function poseAt(poses, step) {
  const place = Math.min(Math.max(step, 0), poses.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, poses.length - 1);
  const share = place - low;
  const turn = poses[high].heading - poses[low].heading;
  return {
    x: mix(poses[low].x, poses[high].x, share),
    y: mix(poses[low].y, poses[high].y, share),
    heading: poses[low].heading + share * Math.atan2(Math.sin(turn), Math.cos(turn)),
  };
}

/** Pose of a track at a step, null where it is absent. */
export function trackAt(track, step) {
  if (step < track.from - 1e-6 || step > track.to + 1e-6) return null;
  return poseAt(track.poses, step - track.from);
}

/** Speed [m/s] of a track around a step; the logged one where it is seen once. */
export function trackSpeed(track, step, dt) {
  if (track.poses.length < 2) return track.to > track.from ? 0 : track.speed;
  const low = Math.max(step - 3, track.from), high = Math.min(step + 3, track.to);
  if (high <= low) return track.speed;
  const a = trackAt(track, low), b = trackAt(track, high);
  return Math.hypot(b.x - a.x, b.y - a.y) / ((high - low) * dt);
}

/** Corners of a box around its centre: front left, rear left, rear right, front right. */
export function boxCorners(pose, length, width) {
  const cos = Math.cos(pose.heading), sin = Math.sin(pose.heading);
  return [[1, 1], [-1, 1], [-1, -1], [1, -1]].map(([a, b]) => {
    const along = a * length / 2, across = b * width / 2;
    return [pose.x + along * cos - across * sin, pose.y + along * sin + across * cos];
  });
}

/** Corners of the ego at a rear-axle pose, driven straight on by `ahead` m. */
export function egoCorners(pose, ego, ahead = 0) {
  const [length, width, toCentre] = ego;
  const shift = toCentre + ahead;
  const centre = {
    x: pose.x + shift * Math.cos(pose.heading),
    y: pose.y + shift * Math.sin(pose.heading),
    heading: pose.heading,
  };
  return boxCorners(centre, length, width);
}

/** Number at a fractional step of a line that may have gaps. */
export function valueAt(values, step) {
  const place = Math.min(Math.max(step, 0), values.length - 1);
  const low = values[Math.floor(place)], high = values[Math.ceil(place)];
  if (low === null || high === null) return low === null ? high : low;
  return mix(low, high, place - Math.floor(place));
}
