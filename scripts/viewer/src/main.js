// Starts the page's viewer. The page says what to show with the event s2hand:open, whose detail is
// {id, position, count}; the viewer asks for the next or previous one with s2hand:step.

import { Viewer } from "./viewer.js";

const root = document.querySelector("[data-viewer]");
if (root) {
  let viewer = null;
  try {
    viewer = new Viewer(root);
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
  document.dispatchEvent(new CustomEvent("s2hand:ready"));
}
