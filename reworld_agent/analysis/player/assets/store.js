// The scenes of the page: their index, and each one's data and pictures when they are asked for.

import { inflate, unpackScene } from "./decode.js";

const KEPT = 80; // decoded scenes

export class Store {
  constructor(root = document) {
    this.root = root;
    this.index = JSON.parse(root.getElementById("player-index").textContent);
    this.decoded = new Map();
  }

  get length() {
    return this.index.scenes.length;
  }

  /** Number of a token, -1 for none. */
  find(token) {
    return this.index.scenes.findIndex((own) => own.token === token);
  }

  async scene(number) {
    if (!this.decoded.has(number)) {
      if (this.decoded.size >= KEPT) this.decoded.delete(this.decoded.keys().next().value);
      const text = this.root.getElementById(`scene-${number}`).textContent;
      this.decoded.set(number, inflate(text).then(unpackScene));
    }
    return this.decoded.get(number);
  }

  /** Base64 of a picture of a scene. */
  picture(number, image) {
    return this.root.getElementById(`image-${number}-${image}`).textContent.trim();
  }
}
