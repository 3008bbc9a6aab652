// From metres in the ego frame to pixels: OpenCV's pinhole camera with distortion.

const NEAR = 0.5;

/**
 * Pixel of a point, null behind the lens or far outside its field of view (where the model folds
 * back into the picture).
 */
export function project(camera, [x, y, z]) {
  const [tx, ty, tz] = camera.translation, r = camera.rotation;
  const d = [x - tx, y - ty, z - tz];
  const seen = [0, 1, 2].map((k) => r[k] * d[0] + r[3 + k] * d[1] + r[6 + k] * d[2]);
  if (!(seen[2] > NEAR)) return null;
  const [fx, , cx, , fy, cy] = camera.intrinsics;
  const a = seen[0] / seen[2], b = seen[1] / seen[2];
  if (Math.hypot(a, b) > 1.3 * Math.hypot(cx / fx, cy / fy)) return null;
  const [k1, k2, p1, p2, k3] = camera.distortion;
  const square = a * a + b * b;
  const radial = 1 + square * (k1 + square * (k2 + square * k3));
  const u = a * radial + 2 * p1 * a * b + p2 * (square + 2 * a * a);
  const v = b * radial + p1 * (square + 2 * b * b) + 2 * p2 * a * b;
  return [fx * u + cx, fy * v + cy];
}

/** A point of the frame of t0 in the frame of an ego pose. */
export function relative(pose, x, y) {
  const cos = Math.cos(pose.heading), sin = Math.sin(pose.heading);
  const dx = x - pose.x, dy = y - pose.y;
  return [dx * cos + dy * sin, dy * cos - dx * sin];
}
