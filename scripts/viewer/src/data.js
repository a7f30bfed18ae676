// What a page embeds: scenes as JSON, arrays within as base64 of little-endian numbers.
//
// Pages speak of the photo's camera frame (x right, y down, z forward, metres), WebGL of x right, y up,
// z towards the viewer. One becomes the other by half a turn about x, done here, once, while decoding.

/** Decodes base64 into a typed array. */
export function decode(text, Type) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return new Type(bytes.buffer);
}

/** Points of a mesh: whole steps from a corner of its box, in 16 bits. */
export function decodePoints(packed) {
  if (!packed) return null;
  const { low, step } = packed;
  const steps = decode(packed.steps, Uint16Array);
  const points = new Float32Array(steps.length);
  for (let i = 0; i < steps.length; i++) points[i] = (low[i % 3] + step[i % 3] * steps[i]) * (i % 3 ? -1 : 1);
  return points;
}

/** A flat list of points from the camera frame. */
export function flipPoints(values) {
  return values && Float32Array.from(values, (value, i) => (i % 3 ? -value : value));
}

/** Unit normals at vertices: the mean of the adjoining faces' normals, weighted with their areas. */
export function vertexNormals(points, faces) {
  const normals = new Float32Array(points.length);
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
    const [ux, uy, uz] = [points[b] - points[a], points[b + 1] - points[a + 1], points[b + 2] - points[a + 2]];
    const [vx, vy, vz] = [points[c] - points[a], points[c + 1] - points[a + 1], points[c + 2] - points[a + 2]];
    const normal = [uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx];
    for (const corner of [a, b, c]) for (let k = 0; k < 3; k++) normals[corner + k] += normal[k];
  }
  for (let i = 0; i < normals.length; i += 3) {
    const length = Math.hypot(normals[i], normals[i + 1], normals[i + 2]) || 1;
    for (let k = 0; k < 3; k++) normals[i + k] /= length;
  }
  return normals;
}

/** Vertex numbers of every edge once, for a wire-frame. */
export function uniqueEdges(faces) {
  const seen = new Set();
  const edges = [];
  for (let f = 0; f < faces.length; f += 3) {
    for (let k = 0; k < 3; k++) {
      const [a, b] = [faces[f + k], faces[f + ((k + 1) % 3)]].sort((one, other) => one - other);
      const key = a * 65536 + b;
      if (!seen.has(key)) edges.push(a, b);
      seen.add(key);
    }
  }
  return new Uint16Array(edges);
}

/** The mean of points, which a view turns about. */
export function centreOf(points) {
  const sums = [0, 0, 0];
  for (let i = 0; i < points.length; i++) sums[i % 3] += points[i];
  return sums.map((sum) => (3 * sum) / points.length);
}

/** Reads the page's scenes on demand; each is parsed when it is first looked at. */
export class SceneStore {
  constructor() {
    const common = JSON.parse(document.querySelector("script[data-viewer-common]").textContent);
    this.topologies = common.topologies.map((text) => decode(text, Uint16Array));
    this.skeleton = common.skeleton; // names, bones and colours of the joints
    this.scripts = new Map();
    for (const script of document.querySelectorAll("script[data-scene]")) this.scripts.set(script.dataset.scene, script);
  }

  /** The scene of that name, with faces, colours and light of its hands decoded; null if there is none. */
  read(id) {
    const script = this.scripts.get(id);
    if (!script) return null;
    const scene = JSON.parse(script.textContent);
    for (const hand of scene.hands) {
      hand.faces = this.topologies[hand.topology];
      hand.colors = hand.colors && decode(hand.colors, Uint8Array);
    }
    return scene;
  }
}

/** The hands of one frame with decoded points: [{hand, prediction, truth, error, joints, ...}]. */
export function decodeFrame(frame) {
  if (!frame.decoded) {
    frame.decoded = frame.hands.map((entry) => ({
      ...entry,
      prediction: decodePoints(entry.prediction),
      truth: decodePoints(entry.truth),
      error: entry.error && decode(entry.error, Uint16Array),
      joints: flipPoints(entry.joints),
      truthJoints: flipPoints(entry.truthJoints),
    }));
  }
  return frame.decoded;
}
