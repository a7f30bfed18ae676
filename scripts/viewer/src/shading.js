// Materials. Hands are shaded in the photo's own colours, so three.js's colour management is left out of it.

import { DoubleSide, GLSL3, NoBlending, NormalBlending, ShaderMaterial, Vector3 } from "three";

export const LIGHTS = { off: 0, photo: 1, studio: 2 };

// Centroid sampling: at a silhouette no value is extrapolated beyond its triangle.
const VERTEX = `
  in vec3 color;
  centroid out vec3 vNormal, vColor, vView;
  void main() {
    vec4 place = modelViewMatrix * vec4(position, 1.0);
    vView = -place.xyz;
    vNormal = normalMatrix * normal;
    vColor = color;
    gl_Position = projectionMatrix * place;
  }`;

// Interpolated normals turn away from the eye near silhouettes, which would draw dark slivers there: they are
// bent until they face it a little, also those of faces that just look away. The photo's light is the network's: ambient and one lamp, in display
// values, as its renderer adds them. The studio hangs a key light at the viewer's upper left, a weak fill at
// the right and some sky, in linear light.
const FRAGMENT = `
  precision highp float;
  uniform int lightKind;
  uniform vec3 ambient, lamp, towards;
  uniform float opacity;
  centroid in vec3 vNormal, vColor, vView;
  out vec4 result;
  void main() {
    vec3 view = normalize(vView);
    vec3 n = normalize(vNormal);
    bool inside = !gl_FrontFacing && dot(n, view) < -0.3; // seen through the open wrist
    if (inside) n = -n;
    float facing = dot(n, view);
    if (facing < 0.12) n = normalize(n + view * (0.12 - facing));
    vec3 color = clamp(vColor, 0.0, 1.0);
    if (lightKind == 1) {
      vec3 to = (viewMatrix * vec4(towards, 0.0)).xyz;
      color *= ambient + lamp * max(dot(n, to), 0.0);
    } else if (lightKind == 2) {
      vec3 key = normalize(vec3(-0.5, 0.7, 0.6));
      float light = 0.30 * (0.6 + 0.4 * (1.0 + n.y)) + 0.74 * max(dot(n, key), 0.0)
        + 0.18 * max(dot(n, normalize(vec3(0.8, -0.1, 0.5))), 0.0);
      float gloss = 0.07 * pow(max(dot(n, normalize(key + view)), 0.0), 26.0);
      color = pow(pow(color, vec3(2.2)) * light + gloss, vec3(1.0 / 2.2));
    }
    if (inside) color *= 0.72;
    result = vec4(clamp(color, 0.0, 1.0), opacity);
  }`;

/** The material of a hand's surface. */
export function surfaceMaterial() {
  return new ShaderMaterial({
    vertexShader: VERTEX,
    fragmentShader: FRAGMENT,
    glslVersion: GLSL3,
    side: DoubleSide,
    transparent: true,
    blending: NormalBlending,
    uniforms: {
      lightKind: { value: LIGHTS.studio },
      ambient: { value: new Vector3(1, 1, 1) },
      lamp: { value: new Vector3() },
      towards: { value: new Vector3(0, 0, 1) },
      opacity: { value: 1 },
    },
  });
}

/** Writes depth alone, so that a see-through hand does not show its own far side. */
export function depthMaterial() {
  const material = surfaceMaterial();
  material.colorWrite = false;
  material.blending = NoBlending;
  return material;
}

/** Sets the predicted light of a hand: nine numbers, ambient RGB, lamp RGB, direction towards the lamp. */
export function setPhotoLight(material, light) {
  material.uniforms.ambient.value.set(light[0], light[1], light[2]);
  material.uniforms.lamp.value.set(light[3], light[4], light[5]);
  material.uniforms.towards.value.set(light[6], -light[7], -light[8]);
}

export const PREDICTION_COLOR = [126, 166, 232];
export const TRUTH_COLOR = [240, 168, 78];

// ColorBrewer's YlOrRd (C. Brewer, 2003): the darker and redder, the farther off; also for the colour-blind.
const HEAT = [
  [255, 255, 204], [255, 237, 160], [254, 217, 118], [254, 178, 76], [253, 141, 60],
  [252, 78, 42], [227, 26, 28], [189, 0, 38], [128, 0, 38],
];

/** The colour of an error in [0, 1]. */
export function heat(value) {
  const place = Math.min(Math.max(value, 0), 1) * (HEAT.length - 1);
  const before = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[before].map((level, k) => level + (HEAT[before + 1][k] - level) * (place - before));
}

/** The same scale as a CSS gradient, for the legend. */
export const HEAT_GRADIENT = `linear-gradient(90deg,${HEAT.map((rgb) => `rgb(${rgb})`).join(",")})`;
