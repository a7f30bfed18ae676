// Starts the page's viewer. The page says what to show with the event s2hand:open, whose detail is
// {id, position, count}; the viewer asks for the next or previous one with s2hand:step. Buttons with data-save
// ("obj" or "csv"), data-of (a scene) and data-hand save what it shows as a file.

import { decodeFrame, SceneStore } from "./data.js";
import { csvOf, fileName, objOf, save } from "./files.js";
import { Viewer } from "./viewer.js";

const root = document.querySelector("[data-viewer]");
if (root) {
  const store = new SceneStore();
  let viewer = null;
  try {
    viewer = new Viewer(root, store);
    root.classList.add("live");
  } catch {
    root.classList.add("still"); // without WebGL the page shows its still pictures
  }
  const open = ({ id, position, count }) => {
    if (viewer) {
      viewer.open(id);
      viewer.overlays.count(position, count);
      return;
    }
    const still = document.querySelector(`img[data-still="${CSS.escape(id)}"]`);
    if (still) root.querySelector(".viewer-stage img").src = still.src;
  };
  document.addEventListener("s2hand:open", (event) => open(event.detail));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-save]");
    if (!button) return;
    const { save: kind, of, hand } = button.dataset;
    const scene = store.read(of);
    if (kind === "csv") {
      save(fileName(scene, "joints.csv"), csvOf(scene, store.skeleton.names));
      return;
    }
    // Of a video, the frame that is shown; or else the nearest one before it that shows the hand, or any.
    const number = viewer?.id === of ? viewer.player.frame : 0;
    const order = [...scene.frames.slice(0, number + 1).reverse(), ...scene.frames.slice(number + 1)];
    const shapes = order.map((frame) => decodeFrame(frame).find((one) => one.hand === Number(hand)));
    const shape = shapes.find((one) => one?.prediction);
    if (shape) save(fileName(scene, scene.hands.length > 1 ? `hand${hand}.obj` : "obj"), objOf(scene.hands[hand], shape.prediction));
  });
  document.dispatchEvent(new CustomEvent("s2hand:ready"));
}
