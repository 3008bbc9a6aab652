// Cards of scenes, drawn when they come into view; a page of them at a time.

import { drawScene } from "./birdseye.js";
import { element, percent } from "./elements.js";
import { describe } from "./stage.js";
import { Viewport } from "./viewport.js";

const PAGE = 60, SHOWN = { names: false, legend: false };

export class Gallery {
  constructor(host, store) {
    Object.assign(this, { host, store, page: 0, order: [...store.index.scenes.keys()] });
    this.cards = element("div", { class: "cards" });
    this.pages = element("nav", { class: "pages", "aria-label": "pages of the gallery" });
    host.append(this.cards, this.pages);
    this.watch = new IntersectionObserver((entries) => {
      entries.filter((entry) => entry.isIntersecting).forEach((entry) => this.wanted.unshift(entry.target));
      this.paintNext();
    }, { rootMargin: "300px" });
    this.show(this.order);
  }

  /** Show these scenes, in this order, from the first page on. */
  show(order) {
    this.order = order;
    this.turn(0);
  }

  turn(page) {
    this.page = Math.min(Math.max(page, 0), Math.max(Math.ceil(this.order.length / PAGE) - 1, 0));
    this.watch.disconnect();
    const chosen = this.order.slice(this.page * PAGE, (this.page + 1) * PAGE);
    this.scenes = new Map();
    this.wanted = [];
    this.cards.replaceChildren(...chosen.map((number) => this.card(number)));
    [...this.cards.children].forEach((card) => this.watch.observe(card));
    this.fillPages();
    this.wanted.push(...this.cards.children); // in the end all, so that a printed page is whole
    this.paintNext();
  }

  /** One card at a time, when there is time: what is seen first, scrolling before all. */
  paintNext() {
    if (this.painting) return;
    const card = this.wanted.shift();
    if (!card) return;
    this.painting = true;
    const soon = card.dataset.drawn || !card.isConnected ? (act) => act() : window.requestIdleCallback || requestAnimationFrame;
    soon(() => this.paint(card).finally(() => {
      this.painting = false;
      this.paintNext();
    }));
  }

  fillPages() {
    const count = Math.ceil(this.order.length / PAGE);
    this.pages.replaceChildren();
    if (count < 2) return;
    for (let page = 0; page < count; page += 1) {
      this.pages.append(element("button", {
        type: "button", text: page + 1, "aria-current": page === this.page ? "page" : null,
        onclick: () => { this.turn(page); this.host.scrollIntoView(); },
      }));
    }
  }

  card(number) {
    const own = this.store.index.scenes[number];
    const link = `#s-${encodeURIComponent(own.token)}`;
    const chips = own.metrics.map((metric) => element("span", { class: `chip m-${metric}`, text: metric }));
    const title = element("h3", {},
      element("span", { class: "score", text: own.score === null ? "–" : `${percent(own.score)} %` }), ...chips,
      element("span", { class: "class", text: ` ${own.class}` }));
    const canvas = element("canvas", { role: "img", "aria-label": own.sentences[0] || own.token });
    const place = element("a", { class: "picture", href: link, "aria-label": `play ${own.token}` }, canvas);
    const words = own.sentences.map((text) => element("p", { text }));
    const facts = [own.kind === "scene" ? "" : own.kind, own.command, own.speed === null ? "" : `${own.speed.toFixed(1)} m/s`, own.city, own.outcome].filter(Boolean);
    const foot = element("p", { class: "muted", text: `${facts.join(", ")} · ` }, element("a", { href: link, text: own.token }));
    return element("article", { id: `s-${own.token}`, "data-number": number, "data-token": own.token }, title, place, ...words, foot);
  }

  async paint(article) {
    const number = Number(article.dataset.number);
    if (article.dataset.drawn || !article.isConnected) return;
    article.dataset.drawn = "yes";
    const scene = await this.store.scene(number);
    this.scenes.set(number, scene);
    this.draw(article, scene, number);
  }

  draw(article, scene, number) {
    const canvas = article.querySelector("canvas");
    if (!scene.drives.length) {
      this.poster(article, scene, number);
      return;
    }
    const failed = scene.drives[0].metrics.map((own) => own.failed).find(Boolean);
    const view = new Viewport(scene);
    const width = canvas.clientWidth || 400;
    view.resize(width, Math.round(width * 0.62));
    canvas.style.height = `${view.height}px`;
    const step = failed ? failed.step : 0;
    drawScene(canvas, view, scene, step, SHOWN);
    canvas.setAttribute("aria-label", describe(scene, step));
  }

  /** A scene without drives: its first film or camera picture, else why there is none. */
  poster(article, scene, number) {
    const film = scene.films[0], link = article.querySelector(".picture");
    if (film) {
      const source = `data:image/webp;base64,${this.store.picture(number, film.frames[film.frames.length - 1][1])}`;
      link.replaceChildren(element("img", { src: source, alt: `${film.name}, last picture` }));
    } else {
      link.replaceChildren(element("span", { class: "muted", text: scene.notes[0] || "nothing to draw" }));
    }
  }

  /** Draw all again, in other colours. */
  repaint() {
    for (const card of this.cards.children) {
      const number = Number(card.dataset.number), scene = this.scenes.get(number);
      if (scene) this.draw(card, scene, number);
    }
  }
}
