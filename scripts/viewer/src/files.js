// Files made of a scene in the page itself: a hand's mesh as .obj, the joints of all hands as a table.

import { decodeFrame } from "./data.js";

const COLUMNS = ["hand", "joint", "name", "x_m", "y_m", "z_m", "u_px", "v_px"];

/** The ith of some points, back in the camera frame of the photo: x right, y down, z forward. */
const inCamera = (points, i) => [points[3 * i], -points[3 * i + 1], -points[3 * i + 2]];

/** A Wavefront .obj of a hand's vertices; they keep the hand model's order, and its colours if there are any. */
export function objOf(hand, points) {
  const count = points.length / 3;
  const perVertex = hand.colors && hand.colors.length === points.length;
  const lines = [`# ${hand.label}; metres; camera frame: x right, y down, z forward`];
  for (let i = 0; i < count; i++) {
    const color = perVertex ? Array.from(hand.colors.subarray(3 * i, 3 * i + 3), (level) => (level / 255).toFixed(3)) : [];
    lines.push(["v", ...inCamera(points, i).map((value) => value.toFixed(6)), ...color].join(" "));
  }
  for (let f = 0; f < hand.faces.length; f += 3) {
    lines.push(`f ${hand.faces[f] + 1} ${hand.faces[f + 1] + 1} ${hand.faces[f + 2] + 1}`);
  }
  return `${lines.join("\n")}\n`;
}

/** The joints of all hands in metres and in pixels of the photo; those of a video also with their time. */
export function csvOf({ frames, hands, K, fps }, names) {
  const moving = frames.length > 1;
  const rows = [moving ? ["time_s", ...COLUMNS] : COLUMNS];
  frames.forEach((frame, number) => {
    const when = moving ? [(number / fps).toFixed(3)] : [];
    for (const { hand, joints } of decodeFrame(frame)) {
      if (!joints) continue;
      names.forEach((name, joint) => {
        const [x, y, z] = inCamera(joints, joint);
        const pixel = [(K[0] * x) / z + K[2], (K[1] * y) / z + K[3]];
        const place = [x, y, z].map((value) => value.toFixed(6));
        rows.push([...when, hands[hand].label, joint, name, ...place, ...pixel.map((value) => value.toFixed(2))]);
      });
    }
  });
  return `${rows.map((row) => row.join(",")).join("\n")}\n`;
}

/** What a scene's file is called: the photo's name with another ending. */
export function fileName({ name }, ending) {
  return `${name.split("/").pop().replace(/\.[^.]*$/, "")}.${ending}`;
}

/** Hands a text to the browser as a download. */
export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
