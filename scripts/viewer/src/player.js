// Plays the frames of a video: a scrubber, a speed and a button.

import { button, ICONS, tag } from "./dom.js";

const SPEEDS = [0.25, 0.5, 1, 2];

export class Player {
  /** @param show called with the number of the frame to draw; resolves when it is on screen */
  constructor(parent, show) {
    this.show = show;
    this.root = tag("div", { class: "viewer-player", role: "group", "aria-label": "Playback" }, parent);
    this.play = button(ICONS.play, "Play", () => this.toggle(), this.root);
    this.bar = tag("input", { type: "range", min: 0, value: 0, step: 1, "aria-label": "Frame" }, this.root);
    this.time = tag("output", { class: "viewer-time" }, this.root);
    this.speed = tag("select", { "aria-label": "Speed" }, this.root);
    for (const speed of SPEEDS) {
      const option = tag("option", { value: speed }, this.speed);
      option.textContent = `${speed}×`;
      option.selected = speed === 1;
    }
    this.bar.addEventListener("input", () => {
      this.pause();
      this.go(Number(this.bar.value));
    });
    this.open(null);
  }

  /** Takes a scene; one frame needs no player. */
  open(scene) {
    this.pause();
    this.frames = scene ? scene.frames.length : 1;
    this.fps = (scene && scene.fps) || 25;
    this.root.hidden = this.frames < 2;
    this.bar.max = this.frames - 1;
    this.frame = 0;
    this.label();
  }

  label() {
    this.bar.value = this.frame;
    const seconds = (frame) => (frame / this.fps).toFixed(1);
    this.time.textContent = `${seconds(this.frame)} / ${seconds(this.frames - 1)} s`;
    this.bar.setAttribute("aria-valuetext", `frame ${this.frame + 1} of ${this.frames}`);
  }

  go(frame) {
    this.frame = (frame + this.frames) % this.frames;
    this.label();
    return this.show(this.frame);
  }

  toggle() {
    if (this.running) this.pause();
    else this.start();
  }

  start() {
    if (this.frames < 2) return;
    const run = (this.running = {});
    this.face(ICONS.pause, "Pause");
    let last = performance.now();
    let passed = 0;
    const step = async (now) => {
      if (this.running !== run) return;
      passed += ((now - last) / 1000) * this.fps * Number(this.speed.value);
      last = now;
      const whole = Math.floor(passed);
      if (whole) {
        passed -= whole;
        await this.go(this.frame + whole);
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  pause() {
    this.running = null;
    this.face(ICONS.play, "Play");
  }

  face(icon, label) {
    this.play.innerHTML = icon;
    this.play.setAttribute("aria-label", label);
    this.play.title = `${label} (space)`;
  }
}
