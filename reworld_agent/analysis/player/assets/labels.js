// Texts on a canvas that cover neither one another nor the frame's edge.

const DISTANCES = [0, 9, 18, 30, 44, 62], FAR = [90, 130];
const DIRECTIONS = [0, 30, -30, 60, -60, 90, -90, 120, -120, 150, -150, 180]
  .map((degrees) => degrees * Math.PI / 180);

const covers = ([x, y], half, [px, py]) => Math.abs(px - x) < half[0] && Math.abs(py - y) < half[1];

export class Labels {
  constructor(context, width, height, colours) {
    Object.assign(this, { context, width, height, colours, boxes: [], points: [], drawn: [] });
  }

  /** Keep a pixel visible where there is room elsewhere. */
  avoid(point) {
    this.points.push(point);
  }

  /** Keep a box free: [low x, low y, high x, high y] in pixels. */
  reserve(box) {
    this.boxes.push(box);
  }

  /** Write a text at a free place near a pixel; false where there is none. */
  place(text, [x, y], { colour, size = 12, clear = 6, bold = false, must = false, far = false } = {}) {
    const within = x > -40 && y > -40 && x < this.width + 40 && y < this.height + 40;
    if (!text || !(within || must)) return false;
    this.context.font = `${bold ? "bold " : ""}${size}px system-ui, sans-serif`;
    const half = [this.context.measureText(text).width / 2 + 2, size / 2 + 2];
    const found = this.free(x, y, half, clear, this.points)
      || (far && this.free(x, y, half, clear, this.points, FAR))
      || this.free(x, y, half, clear, []) || (must && this.anywhere(half));
    if (!found) return false;
    this.write(text, found, [x, y], half, colour || this.colours.ink);
    return true;
  }

  free(x, y, half, clear, points, distances = DISTANCES) {
    for (const distance of distances) {
      for (const angle of DIRECTIONS) {
        const reach = clear + distance;
        const at = [
          x + Math.cos(angle) * (half[0] + reach), y - Math.sin(angle) * (half[1] + reach),
        ];
        if (!this.isFree(at, half)) continue;
        if (!points.length || (this.leads([x, y], at) && !points.some((point) => covers(at, half, point)))) return at;
      }
    }
    return null;
  }

  /** Whether the line from a point to its label crosses no other label. */
  leads(from, to) {
    return [0.2, 0.4, 0.6, 0.8].every((share) => {
      const x = from[0] + share * (to[0] - from[0]), y = from[1] + share * (to[1] - from[1]);
      return !this.boxes.some((box) => box[0] < x && x < box[2] && box[1] < y && y < box[3]);
    });
  }

  /** The first free place of the whole picture, from the top. */
  anywhere(half) {
    for (let y = half[1] + 2; y < this.height - half[1]; y += half[1]) {
      for (let x = half[0] + 2; x < this.width - half[0]; x += half[0] / 2) {
        if (this.isFree([x, y], half)) return [x, y];
      }
    }
    return null;
  }

  isFree([x, y], half) {
    const box = [x - half[0], y - half[1], x + half[0], y + half[1]];
    if (box[0] < 2 || box[1] < 2 || box[2] > this.width - 2 || box[3] > this.height - 2) return false;
    return !this.boxes.some((own) => own[0] < box[2] && own[2] > box[0] && own[1] < box[3] && own[3] > box[1]);
  }

  write(text, [x, y], target, half, colour) {
    const { context } = this;
    const box = [x - half[0], y - half[1], x + half[0], y + half[1]];
    this.boxes.push(box);
    this.drawn.push({ text, box });
    if (Math.hypot(x - target[0], y - target[1]) > half[0] + 20) {
      context.strokeStyle = colour;
      context.lineWidth = 1;
      context.setLineDash([]);
      context.beginPath();
      context.moveTo(...target);
      context.lineTo(Math.min(Math.max(target[0], box[0]), box[2]), Math.min(Math.max(target[1], box[1]), box[3]));
      context.stroke();
    }
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3.5;
    context.setLineDash([]);
    context.strokeStyle = this.colours.rim;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }
}
