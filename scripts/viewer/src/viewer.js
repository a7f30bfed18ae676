// The viewer: one canvas, one scene of it at a time, drawn only when something changed.

import { Scene, WebGLRenderer } from "three";
import { centreOf, decodeFrame } from "./data.js";
import { tag } from "./dom.js";
import { steer } from "./gestures.js";
import { HandMesh } from "./hand.js";
import { Overlays } from "./overlays.js";
import { ImageCache, PhotoPlane } from "./photo.js";
import { Player } from "./player.js";
import { heat, PREDICTION_COLOR, TRUTH_COLOR } from "./shading.js";
import { SkeletonLayer } from "./skeleton.js";
import { Toolbar } from "./toolbar.js";
import { PhotoView, START } from "./view.js";

const LARGEST_RATIO = 2.5;
const PREFETCHED = 8;
const TRUTH_OPACITY = 0.55;
const OTHER_OPACITY = 0.22;
const OPACITY_OVER_PHOTO = 0.75;
const ERROR_STEPS_PER_MM = 100;
const CYCLES = {
  t: ["show", ["prediction", "truth", "both", "error"]],
  x: ["surface", ["plain", "texture"]],
  l: ["light", ["studio", "photo", "off"]],
};
const CAMERA_SEEN = { yaw: -1.3, pitch: 0.3 };
const TOGGLES = { m: "mesh", j: "joints", w: "wire", p: "photo", c: "camera" };
const SIDES = { 1: { yaw: Math.PI / 2, pitch: 0 }, 2: { yaw: Math.PI, pitch: 0 }, 3: { yaw: 0, pitch: 1.3 } };

export class Viewer {
  /**
   * @param root the page's [data-viewer]; throws where there is no WebGL
   * @param store the page's scenes
   */
  constructor(root, store) {
    this.root = root;
    this.store = store;
    this.images = new ImageCache();
    this.state = {
      show: "prediction", surface: "plain", light: "studio", mesh: true, joints: false, wire: false, photo: true, camera: false, opacity: null, hand: -1,
    };
    this.stage = root.querySelector(".viewer-stage");
    this.canvas = tag("canvas", { tabindex: 0, role: "img" });
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, alpha: true });
    this.stage.replaceChildren(this.canvas);
    this.scene = new Scene();
    this.plane = new PhotoPlane();
    this.scene.add(this.plane.mesh, this.plane.frustum);
    this.hands = [];
    this.view = new PhotoView(() => this.invalidate());
    this.skeleton = new SkeletonLayer(this.stage, this.store.skeleton);
    this.overlays = new Overlays(this.stage, root, {
      reset: () => this.reset(),
      fit: () => this.fit(),
      side: () => this.look(1),
      step: (by) => this.step(by),
    });
    this.player = new Player(root, (frame) => this.showFrame(frame));
    this.toolbar = new Toolbar(root, (change) => this.change(change));
    this.listen();
  }

  listen() {
    steer(this.canvas, this.view, {
      hover: (x, y) => this.state.joints && this.skeleton.point(x, y),
      leave: () => this.skeleton.unpoint(),
      tap: (x, y) => this.state.joints && this.skeleton.point(x, y),
      fit: () => this.fit(),
      key: (event) => this.key(event.key.toLowerCase()),
      hint: () => this.overlays.say("Click the picture, then scroll to zoom"),
    });
    new ResizeObserver(() => this.resize()).observe(this.stage);
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => this.invalidate());
  }

  /** Shows a scene from its photo's own view; data-shown names it once it is drawn. Returns whether there is one. */
  open(id) {
    const scene = this.store.read(id);
    this.stage.classList.toggle("empty", !scene);
    if (!scene) return false;
    this.player.pause();
    this.images.clear();
    for (const hand of this.hands) this.forget(hand);
    this.current = scene;
    this.frame = null; // until its image is decoded
    this.id = id;
    const decoded = decodeFrame(scene.frames[0]);
    const all = [decoded, ...scene.frames.slice(1).map((frame) => frame.hands)].flat();
    const has = {
      truth: all.some((hand) => hand.truth),
      error: all.some((hand) => hand.error),
      joints: all.some((hand) => hand.joints),
      colors: scene.hands.some((hand) => hand.colors),
      light: scene.hands.some((hand) => hand.light),
    };
    this.has = has;
    this.hands = scene.hands.map((hand, number) => this.makeHand(hand, number, has.truth));
    this.toolbar.open(scene, has);
    Object.assign(this.state, { hand: -1 });
    if (!has.truth || (this.state.show === "error" && !has.error)) this.state.show = "prediction";
    if (!has.light && this.state.light === "photo") this.state.light = "studio";
    this.view.stop();
    this.view.pose = { ...START };
    this.view.setPhoto(scene);
    this.player.open(scene);
    this.showFrame(0);
    this.aim();
    this.change({});
    const hands = scene.hands.map((hand) => hand.label.toLowerCase()).join(", ") || "no hand";
    this.canvas.setAttribute("aria-label", `3D view of ${scene.name}: ${hands}. Arrow keys turn, plus and minus zoom, 0 resets.`);
    return true;
  }

  makeHand(hand, number, hasTruth) {
    const made = { ...hand, prediction: new HandMesh(hand.faces, hand.light, 2 * number), truth: null };
    if (hasTruth) made.truth = new HandMesh(hand.faces, null, 2 * number + 1);
    this.scene.add(made.prediction.group);
    if (made.truth) this.scene.add(made.truth.group);
    return made;
  }

  forget(hand) {
    for (const mesh of [hand.prediction, hand.truth]) {
      if (!mesh) continue;
      this.scene.remove(mesh.group);
      mesh.dispose();
    }
  }

  /** Draws one frame: its image as soon as it is decoded, and its hands. */
  async showFrame(number) {
    const scene = this.current;
    const frame = scene.frames[number];
    for (let i = 1; i <= PREFETCHED && i < scene.frames.length; i++) {
      this.images.get(scene.frames[(number + i) % scene.frames.length].image).catch(() => {});
    }
    this.wanted = frame;
    const image = await this.images.get(frame.image);
    if (this.wanted !== frame) return;
    this.frame = decodeFrame(frame);
    this.plane.setImage(image);
    this.placePlane();
    this.shape();
    this.invalidate();
  }

  placePlane() {
    const depths = this.points().filter((_, i) => i % 3 === 2);
    const depth = depths.length ? -depths.reduce((low, value) => Math.min(low, value), Infinity) : 0.7;
    // A video's plane stays where it was, unless a hand would pass through it.
    this.depth = this.depthOf === this.current && depth < this.depth ? this.depth : depth;
    this.depthOf = this.current;
    this.plane.place(this.current, this.depth);
  }

  /** All points of the chosen hand, or of all, in the frame that is shown or another one. */
  points(frame = this.frame || decodeFrame(this.current.frames[0])) {
    const { hand } = this.state;
    const shown = frame.filter((entry) => hand < 0 || entry.hand === hand);
    return shown.flatMap((entry) => Array.from(entry.prediction || entry.truth || []));
  }

  /** The same in the first frame that has any: a video may begin before its hands come in. */
  firstPoints() {
    for (const frame of this.current.frames) {
      const points = this.points(decodeFrame(frame));
      if (points.length) return points;
    }
    return [];
  }

  /** Turns about the chosen hand from now on. */
  aim() {
    const points = this.points().length ? this.points() : this.firstPoints();
    if (points.length) this.view.target.fromArray(centreOf(points));
  }

  /** Brings meshes to the frame's shape and colours. */
  shape() {
    const { show, surface, hand: chosen, mesh: shown, wire, light } = this.state;
    this.hands.forEach((hand, number) => {
      const entry = this.frame?.find((one) => one.hand === number);
      const faded = chosen >= 0 && chosen !== number;
      const seen = { prediction: show !== "truth" && entry?.prediction, truth: (show === "truth" || show === "both") && entry?.truth };
      for (const kind of ["prediction", "truth"]) {
        const mesh = hand[kind];
        if (!mesh) continue;
        const points = seen[kind];
        if (points) {
          mesh.setShape(points);
          mesh.setColors(this.painter(hand, entry, kind, show, surface));
        }
        const veil = kind === "truth" && show === "both" ? TRUTH_OPACITY : 1;
        const studio = kind === "truth" || show === "error" || show === "both" ? "studio" : light;
        mesh.setLook({
          light: light === "off" ? "off" : studio,
          wire: wire && !faded,
          veil: veil * (faded ? OTHER_OPACITY : 1),
          visible: shown && Boolean(points),
          late: faded,
        });
      }
    });
  }

  painter(hand, entry, kind, show, surface) {
    if (kind === "truth") return () => TRUTH_COLOR;
    if (show === "error" && entry.error) {
      const colors = Array.from(entry.error, (steps) => heat(steps / ERROR_STEPS_PER_MM / this.overlays.errorRange));
      return (_, vertex) => colors[vertex];
    }
    if (!hand.colors || surface === "plain" || show === "both") return () => PREDICTION_COLOR;
    const perFace = hand.colors.length === hand.faces.length;
    return (face, vertex) => hand.colors.subarray(3 * (perFace ? face : vertex), 3 * (perFace ? face : vertex) + 3);
  }

  /** Changes part of the state. */
  change(change) {
    Object.assign(this.state, change);
    if ("hand" in change) {
      this.aim();
      this.fit();
    }
    if (change.camera) this.view.goTo(this.view.framing([0, 0, 0, ...this.plane.corners], CAMERA_SEEN));
    this.toolbar.update({ ...this.state, opacity: this.state.opacity ?? OPACITY_OVER_PHOTO });
    if (!this.state.joints) this.skeleton.unpoint();
    this.overlays.drawLegend(this.state.show);
    this.shape();
    this.invalidate();
  }

  key(key) {
    if (CYCLES[key]) this.cycle(...CYCLES[key]);
    else if (TOGGLES[key]) this.change({ [TOGGLES[key]]: !this.state[TOGGLES[key]] });
    else if (SIDES[key]) this.look(key);
    else if (key === "0" || key === "home") this.reset();
    else if (key === "f") this.fit();
    else if (key === "h" && this.hands.length > 1) this.change({ hand: ((this.state.hand + 2) % (this.hands.length + 1)) - 1 });
    else if (key === "[") this.step(-1);
    else if (key === "]") this.step(1);
    else if (key === " " && this.player.frames > 1) this.player.toggle();
    else return false;
    return true;
  }

  cycle(name, values) {
    const offered = {
      show: (value) => value === "prediction" || (this.has.truth && (value !== "error" || this.has.error)),
      surface: () => this.has.colors,
      light: (value) => value !== "photo" || this.has.light,
    }[name];
    const open = values.filter(offered);
    if (open.length) this.change({ [name]: open[(open.indexOf(this.state[name]) + 1) % open.length] });
  }

  /** Asks the page for the next image or the one before. */
  step(by) {
    document.dispatchEvent(new CustomEvent("s2hand:step", { detail: by }));
  }

  /** Back to the photo's own view. */
  reset() {
    this.view.goTo(START);
  }

  /** Shows the chosen hand, or all, as large as fits, from where the view is. */
  fit(pose = {}) {
    const points = this.points();
    if (points.length) this.view.goTo(this.view.framing(points, pose));
  }

  look(side) {
    this.fit(SIDES[side]);
  }

  resize() {
    const { clientWidth, clientHeight } = this.stage;
    if (!clientWidth || !clientHeight) return;
    this.renderer.setPixelRatio(Math.min(window.devicePixelRatio || 1, LARGEST_RATIO));
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.view.setSize(clientWidth, clientHeight);
    if (this.current) this.draw(); // at once: a resized canvas is empty until it is drawn
  }

  invalidate() {
    if (this.pending || !this.current) return;
    this.pending = requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.pending);
    this.pending = 0;
    this.view.update();
    const { photo, camera, opacity } = this.state;
    const { aside } = this.view;
    this.plane.setLook({ photo, camera, aside });
    // Until someone chooses, a hand is see-through over its photo and solid from elsewhere.
    const solid = opacity ?? OPACITY_OVER_PHOTO + (1 - OPACITY_OVER_PHOTO) * (photo ? aside : 1);
    for (const hand of this.hands) for (const kind of ["prediction", "truth"]) hand[kind]?.setOpacity(solid);
    this.renderer.render(this.scene, this.view.camera);
    if (this.frame) this.root.dataset.shown = this.id;
    this.skeleton.draw(this.state.joints ? this.jointSets() : [], (...point) => this.view.project(...point), this.view.size);
  }

  jointSets() {
    const { show, hand: chosen } = this.state;
    const sets = [];
    for (const entry of this.frame || []) {
      const faded = chosen >= 0 && chosen !== entry.hand;
      const { label } = this.hands[entry.hand];
      if (entry.joints && show !== "truth") {
        sets.push({ label, joints: entry.joints, confidence: entry.confidence, other: entry.truthJoints, faded });
      }
      if (entry.truthJoints && (show === "truth" || show === "both")) {
        sets.push({ label: "Ground truth", joints: entry.truthJoints, other: entry.joints, truth: true, faded });
      }
    }
    return sets;
  }
}
