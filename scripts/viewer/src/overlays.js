// What lies over the picture: buttons, the steps from image to image, a legend and short messages.

import { button, ICONS, tag } from "./dom.js";
import { HEAT_GRADIENT, PREDICTION_COLOR, TRUTH_COLOR } from "./shading.js";

const DEFAULT_ERROR_RANGE_MM = 20;
const MESSAGE_MS = 1800;

export class Overlays {
  /**
   * @param stage holds the canvas
   * @param root the whole viewer, with data-error-range (mm) and data-error-label
   * @param on {reset(), fit(), side(), step(by)}
   */
  constructor(stage, root, on) {
    this.errorRange = Number(root.dataset.errorRange) || DEFAULT_ERROR_RANGE_MM;
    this.errorLabel = root.dataset.errorLabel || "";
    const buttons = tag("div", { class: "viewer-buttons" }, stage);
    button(ICONS.reset, "Back to the photo’s view", on.reset, buttons, "0");
    button(ICONS.fit, "Zoom to the hand", on.fit, buttons, "F");
    button(ICONS.side, "From the side", on.side, buttons, "1");
    if (document.fullscreenEnabled) {
      button(ICONS.full, "Full screen", () => {
        if (document.fullscreenElement) document.exitFullscreen();
        else root.requestFullscreen();
      }, buttons);
    }
    this.steps = tag("div", { class: "viewer-steps" }, stage);
    button(ICONS.back, "Previous image", () => on.step(-1), this.steps, "[");
    this.counter = tag("span", { class: "viewer-counter" }, this.steps);
    button(ICONS.next, "Next image", () => on.step(1), this.steps, "]");
    this.legend = tag("div", { class: "viewer-legend" }, stage);
    this.message = tag("p", { class: "viewer-message", role: "status" }, stage);
  }

  /** Which image of how many is shown. */
  count(position, count) {
    this.counter.textContent = `${position || "–"} / ${count}`;
    this.steps.hidden = count < 2;
  }

  /** Explains the colours of what is shown: prediction, truth, both or error. */
  drawLegend(show) {
    const entries = {
      both: [["prediction", PREDICTION_COLOR], ["ground truth", TRUTH_COLOR]],
      truth: [["ground truth", TRUTH_COLOR]],
    }[show] || [];
    this.legend.replaceChildren();
    for (const [name, rgb] of entries) {
      const entry = tag("span", {}, this.legend);
      tag("i", { style: `background:rgb(${rgb})` }, entry);
      entry.append(name);
    }
    if (show === "error") {
      const scale = tag("span", { class: "viewer-scale" }, this.legend);
      scale.append("0");
      tag("i", { style: `background:${HEAT_GRADIENT}` }, scale);
      scale.append(`${this.errorRange} mm`);
      tag("small", {}, this.legend).textContent = this.errorLabel;
    }
    this.legend.hidden = !this.legend.childNodes.length;
  }

  /** Says something for a moment. */
  say(text) {
    this.message.textContent = text;
    clearTimeout(this.silence);
    this.silence = setTimeout(() => { this.message.textContent = ""; }, MESSAGE_MS);
  }
}
