// Joints and bones as SVG over the canvas: crisp at any zoom, seen through the hand, and named on hover or tap.

const SVG = "http://www.w3.org/2000/svg";
const REACH_PX = 16;
const FAINTEST = 0.25;
const FULL_CONFIDENCE = 0.8;

const element = (name, attributes, parent) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
};

export class SkeletonLayer {
  /** @param skeleton {names, bones, colors} of 21 joints */
  constructor(stage, skeleton) {
    this.skeleton = skeleton;
    this.svg = element("svg", { class: "viewer-joints", "aria-hidden": "true" }, stage);
    this.tip = document.createElement("div");
    this.tip.className = "viewer-tip";
    this.tip.hidden = true;
    stage.append(this.tip);
    this.sets = [];
  }

  /** Draws sets of joints: [{label, joints (63), confidence (21) or null, truth, other, faded}]. */
  draw(sets, project, size) {
    this.svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    while (this.sets.length > sets.length) this.sets.pop().group.remove();
    while (this.sets.length < sets.length) this.sets.push(this.makeSet());
    sets.forEach((set, number) => this.drawSet(this.sets[number], set, project));
    this.place();
  }

  makeSet() {
    const group = element("g", {}, this.svg);
    const { bones, colors, names } = this.skeleton;
    const halos = bones.map(() => element("line", { class: "halo" }, group));
    const lines = bones.map(([, child]) => element("line", { stroke: colors[child] }, group));
    const dots = names.map((_, joint) => element("circle", { r: joint ? 4 : 5 }, group));
    return { group, halos, lines, dots };
  }

  drawSet(made, set, project) {
    const { bones, colors, names } = this.skeleton;
    made.set = set;
    made.places = names.map((_, j) => project(set.joints[3 * j], set.joints[3 * j + 1], set.joints[3 * j + 2]));
    made.group.setAttribute("class", set.truth ? "truth" : "");
    made.group.setAttribute("opacity", set.faded ? 0.25 : 1);
    const strength = (joint) => (set.confidence ? Math.max(FAINTEST, Math.min(1, set.confidence[joint] / FULL_CONFIDENCE)) : 1);
    bones.forEach(([from, to], number) => {
      const [a, b] = [made.places[from], made.places[to]];
      for (const line of [made.halos[number], made.lines[number]]) {
        line.setAttribute("x1", a[0]);
        line.setAttribute("y1", a[1]);
        line.setAttribute("x2", b[0]);
        line.setAttribute("y2", b[1]);
        line.setAttribute("opacity", Math.min(strength(from), strength(to)));
      }
    });
    made.dots.forEach((dot, joint) => {
      dot.setAttribute("cx", made.places[joint][0]);
      dot.setAttribute("cy", made.places[joint][1]);
      dot.setAttribute("opacity", strength(joint));
      dot.setAttribute("fill", set.truth ? "none" : colors[joint]);
      dot.setAttribute("stroke", set.truth ? colors[joint] : "#fff");
    });
  }

  /** Names the joint next to a point of the stage, or hides the name if there is none near. */
  point(x, y) {
    let best = REACH_PX;
    this.named = null;
    for (const made of this.sets) {
      made.places.forEach((place, joint) => {
        const distance = Math.hypot(place[0] - x, place[1] - y);
        if (distance < best) {
          best = distance;
          this.named = { made, joint };
        }
      });
    }
    this.place();
  }

  unpoint() {
    this.named = null;
    this.place();
  }

  place() {
    const { named } = this;
    this.tip.hidden = !named || !this.sets.includes(named.made);
    if (this.tip.hidden) return;
    const { set, places } = named.made;
    const [x, y] = places[named.joint];
    const facts = [];
    if (set.confidence) facts.push(`confidence ${set.confidence[named.joint].toFixed(2)}`);
    if (set.other) {
      const offset = [0, 1, 2].map((k) => set.joints[3 * named.joint + k] - set.other[3 * named.joint + k]);
      facts.push(`${(1000 * Math.hypot(...offset)).toFixed(1)} mm from ${set.truth ? "the prediction" : "the ground truth"}`);
    }
    const name = document.createElement("b");
    name.textContent = this.skeleton.names[named.joint];
    this.tip.replaceChildren(name, ...[set.label, ...facts].map((fact) => {
      const line = document.createElement("span");
      line.textContent = fact;
      return line;
    }));
    this.tip.style.left = `${x}px`;
    this.tip.style.top = `${y}px`;
    this.tip.classList.toggle("below", y < 110);
    const width = this.svg.viewBox.baseVal.width;
    this.tip.style.setProperty("--shift", x < 100 ? "0%" : x > width - 100 ? "-100%" : "-50%");
  }
}
