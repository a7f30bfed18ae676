// Turns the mesh of #mesh (JSON: vertices in 0.1 mm, faces, colors per face) inside #stage.
// Without WebGL nothing happens and the still picture stays.
(() => {
  "use strict";
  const stage = document.getElementById("stage");
  const mesh = JSON.parse(document.getElementById("mesh").textContent);
  const canvas = document.createElement("canvas");
  const gl = canvas.getContext("webgl", { antialias: true, alpha: true });
  if (!gl) return;

  const VERTEX = `
    attribute vec3 position, normal, color;
    uniform mat3 turn; uniform vec2 zoom;
    varying vec3 n, c, p;
    void main() {
      p = turn * position; n = turn * normal; c = color;
      float distance = 4.5 - p.z;
      gl_Position = vec4(p.xy * zoom * 4.5, -p.z * 0.5, distance);
    }`;
  // Key light at the viewer's upper left, weak fill at the right, some sky.
  const FRAGMENT = `
    precision mediump float;
    varying vec3 n, c, p;
    void main() {
      vec3 view = normalize(vec3(0.0, 0.0, 4.5) - p);
      vec3 m = normalize(n);
      if (dot(m, view) < 0.0) m = -m;
      vec3 key = normalize(vec3(-0.5, 0.7, 0.6));
      float light = 0.28 * (0.6 + 0.4 * (1.0 + m.y)) + 0.72 * max(dot(m, key), 0.0)
        + 0.16 * max(dot(m, normalize(vec3(0.8, -0.1, 0.5))), 0.0);
      float gloss = 0.10 * pow(max(dot(m, normalize(key + view)), 0.0), 28.0);
      gl_FragColor = vec4(pow(pow(c, vec3(2.2)) * light + gloss, vec3(1.0 / 2.2)), 1.0);
    }`;
  const CLAY = [0.702, 0.792, 0.924];

  const compile = (kind, source) => {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
    return shader;
  };
  const program = gl.createProgram();
  gl.attachShader(program, compile(gl.VERTEX_SHADER, VERTEX));
  gl.attachShader(program, compile(gl.FRAGMENT_SHADER, FRAGMENT));
  gl.linkProgram(program);
  gl.useProgram(program);

  // Camera frame (y down, z forward) to WebGL's (y up, z towards the viewer), centred, radius 1.
  const { vertices, faces, colors } = mesh;
  const count = vertices.length / 3;
  const low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
  vertices.forEach((v, i) => { low[i % 3] = Math.min(low[i % 3], v); high[i % 3] = Math.max(high[i % 3], v); });
  const centre = low.map((v, i) => (v + high[i]) / 2);
  let radius = 1e-9;
  for (let i = 0; i < count; i++) {
    radius = Math.max(radius, Math.hypot(...[0, 1, 2].map((k) => vertices[3 * i + k] - centre[k])));
  }
  const position = (i) => [0, 1, 2].map((k) => ((k ? -1 : 1) * (vertices[3 * i + k] - centre[k])) / radius);

  const normals = new Float64Array(count * 3);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  for (let f = 0; f < faces.length; f += 3) {
    const [a, b, c] = [0, 1, 2].map((k) => position(faces[f + k]));
    const n = cross(b.map((v, k) => v - a[k]), c.map((v, k) => v - a[k]));
    for (let k = 0; k < 3; k++) for (let j = 0; j < 3; j++) normals[3 * faces[f + k] + j] += n[j];
  }
  const corners = { position: [], normal: [], textured: [], clay: [] };
  faces.forEach((vertex, corner) => {
    const face = Math.floor(corner / 3);
    corners.position.push(...position(vertex));
    corners.normal.push(...normals.subarray(3 * vertex, 3 * vertex + 3));
    corners.clay.push(...CLAY);
    if (colors) corners.textured.push(...colors.slice(3 * face, 3 * face + 3).map((v) => v / 255));
  });

  const buffer = (values) => {
    const made = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(values), gl.STATIC_DRAW);
    return made;
  };
  const attach = (name, made) => {
    const location = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, made);
    gl.enableVertexAttribArray(location);
    gl.vertexAttribPointer(location, 3, gl.FLOAT, false, 0, 0);
  };
  attach("position", buffer(corners.position));
  attach("normal", buffer(corners.normal));
  const paints = { clay: buffer(corners.clay), textured: colors ? buffer(corners.textured) : null };
  let paint = colors ? "textured" : "clay";
  attach("color", paints[paint]);
  gl.enable(gl.DEPTH_TEST);

  let yaw = 0, pitch = 0, drawn = false;
  const draw = () => {
    drawn = false;
    const side = Math.round(canvas.clientWidth * Math.min(window.devicePixelRatio || 1, 2)) || 1;
    if (canvas.width !== side) canvas.width = canvas.height = side;
    gl.viewport(0, 0, side, side);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const [cy, sy, cp, sp] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    // Column-major Rx(pitch) Ry(yaw).
    gl.uniformMatrix3fv(gl.getUniformLocation(program, "turn"), false,
      [cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
    gl.uniform2f(gl.getUniformLocation(program, "zoom"), 0.92, 0.92);
    gl.drawArrays(gl.TRIANGLES, 0, faces.length);
  };
  const redraw = () => { if (!drawn) { drawn = true; requestAnimationFrame(draw); } };

  let idle = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  const sway = (time) => {
    if (!idle) return;
    yaw = 0.7 * Math.sin(time / 2200);
    redraw();
    requestAnimationFrame(sway);
  };
  const turnBy = (across, down) => {
    idle = false;
    yaw += across;
    pitch = Math.max(-1.5, Math.min(1.5, pitch + down));
    redraw();
  };
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    idle = false;
    last = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    turnBy((event.clientX - last[0]) * 0.01, (event.clientY - last[1]) * 0.01);
    last = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (step) { turnBy(...step); event.preventDefault(); }
  });
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "3D view of the predicted hand; drag or use the arrow keys to turn it");
  stage.append(canvas);
  if (colors) {
    const button = document.createElement("button");
    button.type = "button";
    const label = () => { button.textContent = paint === "clay" ? "Show texture" : "Show shape"; };
    button.addEventListener("click", () => {
      paint = paint === "clay" ? "textured" : "clay";
      attach("color", paints[paint]);
      label();
      redraw();
    });
    label();
    stage.append(button);
  }
  stage.classList.add("live");
  window.addEventListener("resize", redraw);
  redraw();
  requestAnimationFrame(sway);
})();
