// Where the eye is. It starts as the photo's own camera; a drag turns the scene about a point (the hand), and
// zooming and panning move the photo in its window as one would a map. So mesh and photo always fit exactly,
// at any zoom, as long as nothing is turned.

import { Matrix4, PerspectiveCamera, Vector3 } from "three";

const STEEPEST_RAD = 1.5;
const ZOOM_RANGE = [0.05, 24];
const MOVE_MS = 420;
const ASIDE_RAD = [0.12, 1.1];

export const START = { yaw: 0, pitch: 0, zoom: 1, panX: 0, panY: 0 };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const ease = (share) => 1 - (1 - share) ** 3;

export class PhotoView {
  /** @param changed called whenever something must be drawn anew */
  constructor(changed) {
    this.changed = changed;
    this.camera = new PerspectiveCamera();
    this.camera.matrixAutoUpdate = false;
    this.pose = { ...START };
    this.target = new Vector3(0, 0, -0.6);
    this.size = [1, 1];
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Takes a photo's camera: width and height in pixels, K as [fx, fy, cx, cy]. */
  setPhoto({ width, height, K }) {
    this.photo = { width, height, K };
    this.changed();
  }

  /** Size of the window in CSS pixels. */
  setSize(width, height) {
    this.size = [width, height];
    this.changed();
  }

  /** CSS pixels per pixel of the photo, when it just fits into the window. */
  get fit() {
    return Math.min(this.size[0] / this.photo.width, this.size[1] / this.photo.height);
  }

  /** How far the scene is turned away from the photo's own view, in radians. */
  get turned() {
    return Math.acos(clamp(Math.cos(this.pose.yaw) * Math.cos(this.pose.pitch), -1, 1));
  }

  /** From 0 in the photo's own view to 1 where the photo behind no longer belongs to what is seen. */
  get aside() {
    const share = clamp((this.turned - ASIDE_RAD[0]) / (ASIDE_RAD[1] - ASIDE_RAD[0]), 0, 1);
    return share * share * (3 - 2 * share);
  }

  turnBy(across, down) {
    this.stop();
    this.pose.yaw += across;
    this.pose.pitch = clamp(this.pose.pitch + down, -STEEPEST_RAD, STEEPEST_RAD);
    this.changed();
  }

  panBy(right, down) {
    this.stop();
    this.pose.panX += right;
    this.pose.panY += down;
    this.changed();
  }

  /** Zooms about a point of the window (CSS pixels from its middle), which stays where it is. */
  zoomBy(factor, x = 0, y = 0) {
    this.stop();
    const zoom = clamp(this.pose.zoom * factor, ...ZOOM_RANGE);
    const change = zoom / this.pose.zoom;
    this.pose.panX = x - change * (x - this.pose.panX);
    this.pose.panY = y - change * (y - this.pose.panY);
    this.pose.zoom = zoom;
    this.changed();
  }

  /** Moves to another pose, smoothly unless the user prefers less motion. */
  goTo(pose) {
    const from = { ...this.pose };
    const to = { ...this.pose, ...pose };
    from.yaw = Math.atan2(Math.sin(from.yaw), Math.cos(from.yaw)); // not all the way back round
    const start = performance.now();
    const duration = this.calm.matches ? 0 : MOVE_MS;
    const move = (this.moving = () => {
      if (this.moving !== move) return;
      const share = duration ? ease(clamp((performance.now() - start) / duration, 0, 1)) : 1;
      for (const key of Object.keys(to)) {
        this.pose[key] = key === "zoom" ? from.zoom * (to.zoom / from.zoom) ** share : from[key] + (to[key] - from[key]) * share;
      }
      this.changed();
      if (share < 1) requestAnimationFrame(move);
      else this.moving = null;
    });
    move();
  }

  stop() {
    this.moving = null;
  }

  /** The zoom and pan that show points (a flat list) as large as fits, seen as a pose sees them. */
  framing(points, pose, margin = 0.12) {
    const shown = { ...this.pose, ...pose, zoom: 1, panX: 0, panY: 0 };
    this.update(shown);
    const low = [Infinity, Infinity];
    const high = [-Infinity, -Infinity];
    for (let i = 0; i < points.length; i += 3) {
      const place = this.project(points[i], points[i + 1], points[i + 2]);
      for (const k of [0, 1]) {
        low[k] = Math.min(low[k], place[k] - this.size[k] / 2);
        high[k] = Math.max(high[k], place[k] - this.size[k] / 2);
      }
    }
    const zoom = clamp(
      (1 - 2 * margin) * Math.min(this.size[0] / (high[0] - low[0]), this.size[1] / (high[1] - low[1])),
      ...ZOOM_RANGE,
    );
    return { ...shown, zoom, panX: (-zoom * (low[0] + high[0])) / 2, panY: (-zoom * (low[1] + high[1])) / 2 };
  }

  /** Brings three.js's camera up to date. */
  update(pose = this.pose) {
    const [width, height] = this.size;
    const { K } = this.photo;
    const scale = this.fit * pose.zoom;
    // The principal point in the window: the photo lies in its middle, moved by the pan.
    const cx = width / 2 + scale * (K[2] - this.photo.width / 2) + pose.panX;
    const cy = height / 2 + scale * (K[3] - this.photo.height / 2) + pose.panY;
    const distance = Math.abs(this.target.z);
    const [near, far] = [distance * 0.02, distance * 40];
    this.camera.projectionMatrix.set(
      (2 * scale * K[0]) / width, 0, 1 - (2 * cx) / width, 0,
      0, (2 * scale * K[1]) / height, (2 * cy) / height - 1, 0,
      0, 0, -(far + near) / (far - near), (-2 * far * near) / (far - near),
      0, 0, -1, 0,
    );
    this.camera.projectionMatrixInverse.copy(this.camera.projectionMatrix).invert();
    const { x, y, z } = this.target;
    this.camera.matrixWorldInverse
      .makeTranslation(x, y, z)
      .multiply(new Matrix4().makeRotationX(pose.pitch))
      .multiply(new Matrix4().makeRotationY(pose.yaw))
      .multiply(new Matrix4().makeTranslation(-x, -y, -z));
    this.camera.matrix.copy(this.camera.matrixWorldInverse).invert();
    this.camera.matrixWorld.copy(this.camera.matrix);
  }

  /** Where a point appears in the window: CSS pixels from its upper left; null if it lies behind the eye. */
  project(x, y, z) {
    const place = new Vector3(x, y, z).applyMatrix4(this.camera.matrixWorldInverse);
    if (place.z > -1e-4) return [-1e4, -1e4];
    place.applyMatrix4(this.camera.projectionMatrix);
    return [((place.x + 1) / 2) * this.size[0], ((1 - place.y) / 2) * this.size[1]];
  }
}
