// Pictures that run beside one another: of an imagined future the real, the imagined, the error.

import { element } from "./elements.js";

export class Films {
  constructor(host, scene, pictureOf) {
    Object.assign(this, { scene, pictureOf, urls: new Map() });
    const row = element("div", { class: "films" });
    this.screens = scene.films.map((film) => {
      const image = element("img", { alt: film.name });
      const caption = element("figcaption", { text: film.name });
      row.append(element("figure", {}, image, caption));
      return { film, image, caption };
    });
    host.append(row);
  }

  source(number) {
    if (!this.urls.has(number)) this.urls.set(number, `data:image/webp;base64,${this.pictureOf(number)}`);
    return this.urls.get(number);
  }

  draw(step) {
    for (const { film, image, caption } of this.screens) {
      const frame = film.frames.filter(([at]) => at <= step + 1e-6).pop() || film.frames[0];
      const url = this.source(frame[1]);
      if (image.src !== url) image.src = url;
      const number = film.numbers ? film.numbers[film.frames.indexOf(frame)] : null;
      caption.textContent = number === null || number === undefined ? film.name : `${film.name}: ${number} ${film.unit}`;
    }
  }
}
