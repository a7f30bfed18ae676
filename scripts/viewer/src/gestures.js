// Mouse, pen, touch and keyboard: one finger or button turns, two fingers or the right button pan and zoom.

const TURN_PER_PX = 0.009;
const KEY_TURN = 0.14;
const KEY_PAN_PX = 32;
const KEY_ZOOM = 1.2;
const WHEEL_ZOOM = 0.0016;
const TAP_PX = 6;

const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Lets a canvas steer a view.
 *
 * @param canvas takes the events and the focus
 * @param view a PhotoView
 * @param on {hover(x, y), leave(), tap(x, y), fit(), key(event), hint()}; key returns whether it did something
 */
export function steer(canvas, view, on) {
  const pointers = new Map();
  let travelled = 0;
  let engaged = false;

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const fromMiddle = ([x, y]) => [x - canvas.clientWidth / 2, y - canvas.clientHeight / 2];
  const middle = (points) => [0, 1].map((k) => points.reduce((sum, point) => sum + point[k], 0) / points.length);
  const spread = ([a, b]) => Math.hypot(a[0] - b[0], a[1] - b[1]);

  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    engaged = true;
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, place(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    const now = place(event);
    if (!before) {
      on.hover(...now);
      return;
    }
    const old = [...pointers.values()];
    pointers.set(event.pointerId, now);
    const [across, down] = [now[0] - before[0], now[1] - before[1]];
    travelled += Math.abs(across) + Math.abs(down);
    if (travelled < TAP_PX) return;
    on.leave();
    if (old.length === 2) {
      const points = [...pointers.values()];
      const [from, to] = [middle(old), middle(points)];
      view.panBy(to[0] - from[0], to[1] - from[1]);
      view.zoomBy(spread(points) / Math.max(spread(old), 1), ...fromMiddle(to));
    } else if (old.length === 1) {
      if (event.buttons & 6 || event.shiftKey) view.panBy(across, down);
      else view.turnBy(across * TURN_PER_PX, down * TURN_PER_PX);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, (event) => {
      if (pointers.delete(event.pointerId) && end === "pointerup" && travelled < TAP_PX) on.tap(...place(event));
    });
  }
  canvas.addEventListener("pointerleave", () => {
    engaged = false;
    on.leave();
  });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("dblclick", () => on.fit());
  // The wheel scrolls the page until the picture is touched, so that nobody is caught in it.
  canvas.addEventListener("wheel", (event) => {
    if (!engaged && !event.ctrlKey) {
      on.hint();
      return;
    }
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : 1;
    const speed = event.ctrlKey ? 6 : 1; // a pinch on a trackpad comes as small steps with ctrl
    view.zoomBy(Math.exp(-event.deltaY * lines * WHEEL_ZOOM * speed), ...fromMiddle(place(event)));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (event.altKey || event.metaKey || event.ctrlKey) return;
    const move = MOVES[event.key];
    if (move && event.shiftKey) view.panBy(move[0] * KEY_PAN_PX, move[1] * KEY_PAN_PX);
    else if (move) view.turnBy(move[0] * KEY_TURN, move[1] * KEY_TURN);
    else if (event.key === "+" || event.key === "=") view.zoomBy(KEY_ZOOM);
    else if (event.key === "-") view.zoomBy(1 / KEY_ZOOM);
    else if (!on.key(event)) return;
    event.preventDefault();
  });
}
