// One drawn hand: its surface, the depth pass below it and its wire-frame.

import { BufferAttribute, BufferGeometry, Group, LineBasicMaterial, LineSegments, Mesh } from "three";
import { uniqueEdges, vertexNormals } from "./data.js";
import { depthMaterial, LIGHTS, setPhotoLight, surfaceMaterial } from "./shading.js";

const LATE = 40;

export class HandMesh {
  /**
   * @param faces vertex numbers, three a face, counter-clockwise from outside
   * @param light the photo's light (see setPhotoLight), or null
   * @param order hands of a higher order are drawn over those of a lower one
   */
  constructor(faces, light, order) {
    this.faces = faces;
    this.light = light;
    this.order = 1 + 3 * order;
    // Faces do not share corners here, since a colour may belong to a face.
    this.geometry = new BufferGeometry();
    for (const name of ["position", "normal", "color"]) {
      this.geometry.setAttribute(name, new BufferAttribute(new Float32Array(faces.length * 3), 3));
    }
    this.wires = new BufferGeometry();
    this.wires.setIndex(new BufferAttribute(uniqueEdges(faces), 1));
    this.surface = new Mesh(this.geometry, surfaceMaterial());
    const depth = new Mesh(this.geometry, depthMaterial());
    this.wire = new LineSegments(
      this.wires,
      new LineBasicMaterial({ color: 0x10141c, transparent: true, opacity: 0.42, depthWrite: false }),
    );
    for (const material of [this.surface.material, depth.material]) {
      material.polygonOffset = true; // so that wires lie on the surface, not in it
      material.polygonOffsetFactor = material.polygonOffsetUnits = 1;
    }
    if (light) setPhotoLight(this.surface.material, light);
    this.group = new Group();
    for (const part of [depth, this.surface, this.wire]) {
      part.frustumCulled = false;
      this.group.add(part);
    }
  }

  /** Moves the vertices. */
  setShape(points) {
    if (points === this.points) return;
    this.points = points;
    const normals = vertexNormals(points, this.faces);
    const position = this.geometry.attributes.position;
    const normal = this.geometry.attributes.normal;
    this.faces.forEach((vertex, corner) => {
      for (let k = 0; k < 3; k++) {
        position.array[3 * corner + k] = points[3 * vertex + k];
        normal.array[3 * corner + k] = normals[3 * vertex + k];
      }
    });
    position.needsUpdate = normal.needsUpdate = true;
    this.wires.setAttribute("position", new BufferAttribute(points, 3));
  }

  /** Paints: colorOf(face, vertex) returns RGB from 0 to 255. */
  setColors(colorOf) {
    const color = this.geometry.attributes.color;
    this.faces.forEach((vertex, corner) => {
      const rgb = colorOf(Math.floor(corner / 3), vertex);
      for (let k = 0; k < 3; k++) color.array[3 * corner + k] = rgb[k] / 255;
    });
    color.needsUpdate = true;
  }

  /** Sets how it is drawn. The photo's light falls on nothing that was not lit by it: then the studio's does. */
  setLook({ light, wire, veil, visible, late }) {
    // A faded hand comes last, so that its depth does not hide the one that is looked at.
    this.group.children.forEach((part, number) => { part.renderOrder = this.order + number + (late ? LATE : 0); });
    const kind = light === "photo" && !this.light ? "studio" : light;
    this.surface.material.uniforms.lightKind.value = LIGHTS[kind];
    this.veil = veil;
    this.wire.visible = wire;
    this.group.visible = visible;
  }

  /** How solid the surface is, between 0 and 1, before its veil. */
  setOpacity(opacity) {
    this.surface.material.uniforms.opacity.value = opacity * this.veil;
  }

  dispose() {
    this.geometry.dispose();
    this.wires.dispose();
    for (const part of this.group.children) part.material.dispose();
  }
}
