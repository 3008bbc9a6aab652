// Okabe-Ito, told apart by line style and label too; light and dark paper.

const LIGHT = {
  paper: "#ffffff", ink: "#1c1c1c", soft: "#5b5b5b", rim: "#ffffff", road: "#e6e6e6",
  park: "#e9e1f3", lane: "#b0b0b0", crosswalk: "#c9c9c9", route: "#6f6f6f",
  plan: "#0072b2", other: "#8a3b9c", human: "#00795a", reference: "#8a5c00",
  counterfactual: "#b3005e", hit: "#f0e442", mark: "#d55e00",
  red: "#d55e00", green: "#009e73", unknown: "#8c8c8c",
  classes: ["#56b4e9", "#d55e00", "#cc79a7", "#8c8c8c"],
};
const DARK = {
  ...LIGHT, paper: "#161616", ink: "#ececec", soft: "#a9a9a9", rim: "#161616", road: "#333333",
  park: "#3a3247", lane: "#5f5f5f", crosswalk: "#565656", route: "#9a9a9a",
  plan: "#56b4e9", other: "#d7a3e6", human: "#35c79b", reference: "#e0a83a",
  counterfactual: "#ff7ab8", mark: "#ff8a3c", red: "#ff7a33", green: "#35c79b",
  classes: ["#3d87b8", "#d55e00", "#cc79a7", "#8c8c8c"],
};

export const DASHES = {
  plan: [], other: [10, 3], human: [7, 4], reference: [2, 3], counterfactual: [9, 3, 2, 3],
};
export const CLASS_NAMES = ["vehicle", "pedestrian", "bicycle", "other object"];

const dark = () => window.matchMedia("(prefers-color-scheme: dark)").matches;

let onPaper = false;

/** Say whether the page is being printed: paper is light whatever the colour scheme. */
export function printing(is) {
  onPaper = is;
}

/** The palette of the page's colour scheme, or of paper. */
export function palette() {
  return dark() && !onPaper ? DARK : LIGHT;
}

export function classColour(colours, type) {
  return colours.classes[Math.min(type, colours.classes.length - 1)];
}
