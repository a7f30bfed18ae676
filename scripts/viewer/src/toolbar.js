// The row of controls below the picture. It shows the viewer's state and asks it to change; it keeps none.

import { choice, tag, toggle } from "./dom.js";

const SWITCHES = [["mesh", "Mesh", "M"], ["joints", "Joints", "J"], ["wire", "Wireframe", "W"], ["photo", "Photo", "P"], ["camera", "Camera", "C"]];

const KEYS = [
  ["Drag, arrow keys", "turn"],
  ["Wheel, pinch, + −", "zoom"],
  ["Right drag, two fingers, ⇧ arrows", "move"],
  ["Double click, F", "zoom to the hand"],
  ["0", "back to the photo’s view"],
  ["1 2 3", "from the side, behind, above"],
  ["T", "prediction, ground truth, both, error"],
  ["X L", "surface, light"],
  ["M J W P C", "mesh, joints, wireframe, photo, camera"],
  ["H", "next hand"],
  ["[ ]", "previous, next image"],
  ["Space", "play, pause"],
];

export class Toolbar {
  /** @param change called with what is to be changed of the viewer's state */
  constructor(parent, change) {
    this.change = change;
    const root = (this.root = tag("div", { class: "viewer-tools" }, parent));
    this.hands = tag("div", { class: "viewer-hands" }, root);
    this.show = choice(
      "Show",
      [["prediction", "Prediction"], ["truth", "Ground truth"], ["both", "Both"], ["error", "Error"]],
      (show) => change({ show }),
      root,
    );
    this.surface = choice("Surface", [["plain", "Plain"], ["texture", "Texture"]], (surface) => change({ surface }), root);
    this.light = choice("Light", [["studio", "Studio"], ["photo", "Photo’s"], ["off", "Off"]], (light) => change({ light }), root);
    const switches = tag("div", { class: "viewer-switches" }, root);
    this.switches = SWITCHES.map(([name, label, key]) => [name, toggle(label, key, (on) => change({ [name]: on }), switches)]);
    const opacity = tag("label", { class: "viewer-opacity" }, root);
    tag("span", {}, opacity).textContent = "Opacity";
    this.opacity = tag("input", { type: "range", min: 0.05, max: 1, step: 0.05 }, opacity);
    this.opacity.addEventListener("input", () => change({ opacity: Number(this.opacity.value) }));
    this.help(root);
  }

  help(parent) {
    const help = tag("details", { class: "viewer-help" }, parent);
    tag("summary", {}, help).textContent = "Keys";
    const list = tag("dl", {}, help);
    for (const [keys, action] of KEYS) {
      const row = tag("div", {}, list);
      tag("dt", {}, row).textContent = keys;
      tag("dd", {}, row).textContent = action;
    }
  }

  /** Offers what a scene has. */
  open(scene, has) {
    this.show.root.hidden = !has.truth;
    this.show.offer("error", has.error);
    this.surface.root.hidden = !has.colors;
    this.light.offer("photo", has.light);
    this.switches.find(([name]) => name === "joints")[1].hidden = !has.joints;
    this.hands.replaceChildren();
    this.hand = null;
    if (scene.hands.length > 1) {
      const options = [[-1, "All"], ...scene.hands.map((hand, number) => [number, hand.label])];
      this.hand = choice("Hand", options, (hand) => this.change({ hand: Number(hand) }), this.hands);
    }
  }

  /** Shows the state. */
  update(state) {
    this.show.set(state.show);
    this.surface.set(state.surface);
    this.light.set(state.light);
    this.hand?.set(state.hand);
    for (const [name, button] of this.switches) button.setAttribute("aria-pressed", String(state[name]));
    this.opacity.value = state.opacity;
  }
}
