// Undoes packing.py: base64, raw deflate, differences of centimetres and milliradians.

export async function inflate(base64) {
  const bytes = Uint8Array.from(atob(base64.trim()), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).json();
}

/** [x, y, dx, dy, …] in cm → Float64Array [x, y, x, y, …] in m. */
export function unpackPath(packed) {
  const points = new Float64Array(packed.length);
  for (let i = 0; i < packed.length; i += 1) {
    points[i] = packed[i] / 100 + (i >= 2 ? points[i - 2] : 0);
  }
  return points;
}

/** Three columns of differences → poses [{x, y, heading}] in m and rad. */
export function unpackPoses(packed) {
  const sums = [0, 0, 0];
  return packed[0].map((_, i) => {
    for (let k = 0; k < 3; k += 1) sums[k] += packed[k][i];
    return { x: sums[0] / 100, y: sums[1] / 100, heading: sums[2] / 1000 };
  });
}

const unpackTrack = (track) => ({ ...track, poses: unpackPoses(track.poses) });

/** A scene of contract.py with its paths and poses in metres. */
export function unpackScene(packed) {
  const poses = (own) => (own ? unpackPoses(own) : null);
  const rings = (own) => (own || []).map(unpackPath);
  const ground = {};
  for (const [name, own] of Object.entries(packed.ground)) {
    ground[name] = rings(own);
  }
  const failed = (own) => own && { ...own, point: own.point && unpackPath(own.point) };
  const drives = packed.drives.map((drive, i) => ({
    ...drive, key: i ? "other" : "plan",
    name: packed.drives.length > 1 || packed.kind === "rollout" ? drive.label : "plan",
    tracks: drive.tracks ? drive.tracks.map(unpackTrack) : null,
    poses: unpackPoses(drive.poses),
    asked: unpackPath(drive.asked || []),
    plans: (drive.plans || []).map(([step, path]) => ({ step, path: unpackPath(path) })),
    metrics: drive.metrics.map((metric) => ({ ...metric, failed: failed(metric.failed) })),
    counterfactual: drive.counterfactual && {
      ...drive.counterfactual, poses: unpackPoses(drive.counterfactual.poses),
    },
  }));
  return {
    ...packed, ground, drives,
    human: poses(packed.human), reference: poses(packed.reference),
    tracks: packed.tracks.map(unpackTrack),
    lights: packed.lights.map((light) => ({ ...light, rings: rings(light.rings) })),
  };
}
