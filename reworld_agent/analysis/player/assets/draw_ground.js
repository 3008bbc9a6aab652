// What stays where it is: road, lanes, crosswalks, the route, traffic lights, the scale.

function trace(context, view, ring, closed) {
  for (let i = 0; i < ring.length; i += 2) {
    const [px, py] = view.pixel(ring[i], ring[i + 1]);
    if (i) context.lineTo(px, py); else context.moveTo(px, py);
  }
  if (closed) context.closePath();
}

function fillRings(context, view, rings, colour) {
  if (!rings || !rings.length) return;
  context.beginPath();
  rings.forEach((ring) => trace(context, view, ring, true));
  context.fillStyle = colour;
  context.fill("evenodd");
}

export function drawGround(context, view, scene, colours) {
  const { ground } = scene;
  fillRings(context, view, ground.park, colours.park);
  fillRings(context, view, ground.road, colours.road);
  context.lineWidth = 1;
  context.setLineDash([]);
  context.strokeStyle = colours.lane;
  context.beginPath();
  (ground.lane || []).forEach((ring) => trace(context, view, ring, true));
  context.stroke();
  drawCrosswalks(context, view, ground.crosswalk || [], colours);
  context.strokeStyle = colours.route;
  context.setLineDash([8, 4, 2, 4]);
  context.beginPath();
  (ground.route || []).forEach((path) => trace(context, view, path, false));
  context.stroke();
}

/** Stripes along the short side, so that a crosswalk is told from a lane in print too. */
function drawCrosswalks(context, view, rings, colours) {
  for (const ring of rings) {
    context.save();
    context.beginPath();
    trace(context, view, ring, true);
    context.fillStyle = colours.paper;
    context.fill();
    context.clip();
    context.fillStyle = colours.crosswalk;
    const [first, second] = [[ring[0], ring[1]], [ring[2], ring[3]]].map((p) => view.pixel(...p));
    const third = view.pixel(ring[4], ring[5]);
    const long = Math.hypot(second[0] - first[0], second[1] - first[1])
      > Math.hypot(third[0] - second[0], third[1] - second[1]) ? [first, second] : [second, third];
    context.translate(...long[0]);
    context.rotate(Math.atan2(long[1][1] - long[0][1], long[1][0] - long[0][0]));
    const length = Math.hypot(long[1][0] - long[0][0], long[1][1] - long[0][1]);
    const stripe = Math.max(view.scale * 0.5, 1.5);
    for (let x = 0; x < length; x += 2 * stripe) context.fillRect(x, -length, stripe, 2 * length);
    context.restore();
  }
}

/** What a signal shows at a step, as it is known every 0.5 s: r, g (not red) or - (unknown). */
export function stateAt(light, scene, step) {
  const frame = Math.floor((step * scene.dt) / 0.5 + 1e-6);
  return light.states[Math.min(frame, light.states.length - 1)];
}

/** Turning lanes by their signal; the outline of red ones is whole and stronger. */
export function drawLights(context, view, scene, step, colours) {
  for (const light of scene.lights) {
    const state = stateAt(light, scene, step);
    const colour = { r: colours.red, g: colours.green }[state] || colours.unknown;
    context.beginPath();
    light.rings.forEach((ring) => trace(context, view, ring, true));
    context.globalAlpha = state === "r" ? 0.32 : 0.16;
    context.fillStyle = colour;
    context.fill();
    context.globalAlpha = 1;
    context.setLineDash(state === "r" ? [] : [3, 3]);
    context.lineWidth = state === "r" ? 1.6 : 1;
    context.strokeStyle = colour;
    context.stroke();
  }
}

/** A bar of a round number of metres in the lower right corner; its box [px]. */
export function drawScale(context, view, colours) {
  const wanted = 90 / view.scale;
  const metres = [1, 2, 5, 10, 20, 50, 100, 200].filter((m) => m <= wanted).pop() || 1;
  const length = metres * view.scale, right = view.width - 12, y = view.height - 12;
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(right - length, y - 4);
  context.lineTo(right - length, y);
  context.lineTo(right, y);
  context.lineTo(right, y - 4);
  context.stroke();
  context.fillStyle = colours.ink;
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "bottom";
  context.fillText(`${metres} m`, right - length / 2, y - 5);
  return [right - length - 6, y - 24, right + 6, y + 6];
}
