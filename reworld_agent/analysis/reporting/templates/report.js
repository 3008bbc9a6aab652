(() => {
  "use strict";
  const form = document.getElementById("filters");
  if (!form) return;
  const scenes = [...document.querySelectorAll("[data-scene]")];
  const selects = [...form.querySelectorAll("select")];
  for (const select of selects) {
    const values = new Set();
    for (const scene of scenes) {
      for (const value of (scene.dataset[select.name] || "").split("|")) if (value) values.add(value);
    }
    for (const value of [...values].sort()) select.add(new Option(value, value));
  }
  const matches = (scene) => selects.every((select) => !select.value ||
      (scene.dataset[select.name] || "").split("|").includes(select.value)) &&
    scene.dataset.text.includes(form.elements.text.value.trim());
  const apply = () => {
    let cards = 0, items = 0;
    for (const scene of scenes) {
      scene.hidden = !matches(scene);
      if (!scene.hidden && scene.tagName === "ARTICLE") cards += 1;
      if (!scene.hidden && scene.tagName === "LI") items += 1;
    }
    document.getElementById("shown").textContent = `${items} scenes, ${cards} with pictures`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  for (const button of document.querySelectorAll("button[data-key]")) {
    button.addEventListener("click", () => {
      form.reset();
      form.elements[button.dataset.key].value = button.dataset.value;
      apply();
      form.scrollIntoView({ behavior: "smooth" });
    });
  }
  window.addEventListener("hashchange", () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.hidden) { form.reset(); setTimeout(() => { apply(); target.scrollIntoView(); }); }
  });
  apply();
})();
