// The page: gallery, filters, the open scene, its link, the keyboard.

import { printing } from "./colours.js";
import { element } from "./elements.js";
import { Filters } from "./filters.js";
import { Gallery } from "./gallery.js";
import { Player } from "./player.js";
import { makeSortable } from "./sortable.js";
import { Store } from "./store.js";

const byId = (id) => document.getElementById(id);
const FIELDS = "input, select, textarea";

class Page {
  constructor() {
    this.store = new Store();
    this.order = [...this.store.index.scenes.keys()];
    this.dialog = byId("player");
    this.alone = Boolean(byId("gallery")?.hidden); // without a gallery the one scene is open, and stays so
    byId("player-close").addEventListener("click", () => this.close());
    byId("player-before").addEventListener("click", () => this.neighbour(-1));
    byId("player-after").addEventListener("click", () => this.neighbour(1));
    if (byId("gallery-cards") && !this.alone) this.gallery = new Gallery(byId("gallery-cards"), this.store);
    this.listen();
    for (const name of ["close", "before", "after"]) byId(`player-${name}`).hidden = this.alone;
    this.follow();
    if (this.alone && this.number === undefined) this.open(0);
  }

  listen() {
    const form = byId("filters");
    if (form) {
      this.filters = new Filters(form, this.store.index.scenes, [...document.querySelectorAll("tr[data-scene]")], (order, rows) => this.chosen(order, rows));
      this.filters.apply();
      document.querySelectorAll("button[data-key]").forEach((button) => button.addEventListener("click", () => {
        this.filters.only(button.dataset.key, button.dataset.value);
        form.scrollIntoView();
      }));
    }
    window.addEventListener("hashchange", () => this.follow());
    document.addEventListener("click", (event) => this.click(event));
    document.addEventListener("keydown", (event) => this.key(event));
    const recolour = (paper) => { printing(paper); this.gallery?.repaint(); this.player?.repaint(); };
    window.addEventListener("beforeprint", () => recolour(true));
    window.addEventListener("afterprint", () => recolour(false));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour(false));
  }

  chosen(order, rows) {
    this.order = order;
    this.gallery?.show(order);
    const listed = document.querySelector("tr[data-scene]") ? `, ${rows} in the table` : "";
    byId("shown").textContent = `${order.length} of ${this.store.length} scenes${listed}`;
  }

  /** Links to scenes open them here: in a notebook's frame they would lead to the notebook's page. */
  click(event) {
    const link = event.target.closest?.('a[href^="#s-"]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.follow(link.getAttribute("href"));
  }

  /** Open the scene that an address names: #s-TOKEN or #s-TOKEN@SECONDS. */
  follow(hash = location.hash) {
    const match = hash.match(/^#s-(.*?)(?:@([\d.]+))?$/);
    if (!match) return;
    const token = decode(match[1]);
    const number = this.store.find(token);
    this.tell(number >= 0 ? "" : `Scene ${token} is not on this page.`);
    if (number >= 0) this.open(number, match[2] === undefined ? undefined : Number(match[2]));
  }

  /** Say a sentence above the scene; "" takes it away. */
  tell(text) {
    if (!this.note) {
      this.note = element("p", { role: "status", class: "facts" });
      this.dialog.before(this.note);
    }
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  async open(number, seconds) {
    if (this.number === number && this.player) {
      if (seconds !== undefined && Math.abs(seconds - this.player.step * this.player.scene.dt) > 0.051) this.player.seek(seconds / this.player.scene.dt);
      return;
    }
    const own = this.store.index.scenes[number];
    this.player?.close();
    this.player = null;
    this.number = number;
    const scene = await this.store.scene(number);
    if (this.number !== number) return;
    byId("player-title").textContent = own.token;
    byId("player-facts").textContent = [own.kind === "scene" ? "" : own.kind, own.class, own.command, own.city, own.log].filter(Boolean).join(", ");
    this.dialog.hidden = false;
    this.player = new Player(byId("player-body"), scene, {
      step: seconds === undefined ? undefined : seconds / scene.dt,
      pictureOf: (image) => this.store.picture(number, image),
      moved: (time) => this.mark(own.token, time),
    });
    if (!this.alone) this.dialog.scrollIntoView({ block: "start" });
  }

  mark(token, seconds) {
    const hash = `#s-${encodeURIComponent(token)}@${seconds.toFixed(1)}`;
    clearTimeout(this.marking);
    this.marking = setTimeout(() => address(hash), 120); // browsers bound how often
  }

  close() {
    this.player?.close();
    clearTimeout(this.marking);
    this.player = null;
    this.number = undefined;
    this.dialog.hidden = true;
    address(location.pathname + location.search);
  }

  neighbour(by) {
    const place = this.order.indexOf(this.number);
    const next = this.order[(place + by + this.order.length) % this.order.length];
    if (next !== undefined) this.open(next);
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.player) return;
    const typing = event.target.matches?.(FIELDS) && event.target.type !== "range" && event.target.type !== "checkbox";
    if (typing) return;
    const acts = { n: () => this.neighbour(1), p: () => this.neighbour(-1), ArrowDown: () => this.neighbour(1), ArrowUp: () => this.neighbour(-1), Escape: () => this.close() };
    const act = !this.alone && acts[event.key];
    if (act) act();
    if (act || (!this.pressed(event) && this.player.key(event))) event.preventDefault();
  }

  /** Whether the key presses the button that has the focus. */
  pressed(event) {
    return event.key === " " && event.target.matches?.("button, input[type=checkbox], a");
  }
}

/** Show an address; a frame of a notebook has none of its own. */
function address(url) {
  if (location.protocol !== "about:") history.replaceState(null, "", url);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

document.querySelectorAll("table.sortable").forEach(makeSortable);
if (byId("player-index")) window.reworld = new Page();
