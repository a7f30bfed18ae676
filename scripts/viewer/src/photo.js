// The photo as a plane behind the hands, and the camera that took it.

import {
  BufferAttribute, BufferGeometry, DoubleSide, LineBasicMaterial, LineSegments, LinearFilter,
  LinearMipmapLinearFilter, Mesh, MeshBasicMaterial, SRGBColorSpace, Texture,
} from "three";

const BEHIND = 1.04; // the plane lies a little farther off than the farthest vertex
const FAINTEST = 0.3;

export class PhotoPlane {
  constructor() {
    const geometry = new BufferGeometry();
    geometry.setAttribute("position", new BufferAttribute(new Float32Array(12), 3));
    geometry.setAttribute("uv", new BufferAttribute(new Float32Array([0, 1, 1, 1, 1, 0, 0, 0]), 2));
    geometry.setIndex([0, 3, 1, 1, 3, 2]);
    const material = new MeshBasicMaterial({ side: DoubleSide, transparent: true, depthWrite: false, toneMapped: false });
    this.mesh = new Mesh(geometry, material);
    this.mesh.frustumCulled = false;
    this.mesh.renderOrder = 0;
    this.mesh.visible = false;
    this.frustum = new LineSegments(
      new BufferGeometry().setAttribute("position", new BufferAttribute(new Float32Array(66), 3)),
      new LineBasicMaterial({ color: 0x3d7de0, transparent: true }),
    );
    this.frustum.frustumCulled = false;
    this.frustum.renderOrder = 99;
    this.shown = true;
  }

  /** Places plane and frustum for a photo whose farthest hand is at a depth (metres). */
  place({ width, height, K }, depth) {
    const at = (u, v, z) => [((u - K[2]) / K[0]) * z, -((v - K[3]) / K[1]) * z, -z];
    const corners = [[0, 0], [width, 0], [width, height], [0, height]];
    const plane = corners.map(([u, v]) => at(u, v, depth * BEHIND));
    this.corners = plane.flat();
    this.mesh.geometry.attributes.position.array.set(this.corners);
    this.mesh.geometry.attributes.position.needsUpdate = true;
    const small = corners.map(([u, v]) => at(u, v, depth * 0.16));
    const above = at(width / 2, -height * 0.22, depth * 0.16);
    const lines = [];
    for (let i = 0; i < 4; i++) lines.push([0, 0, 0], plane[i], small[i], small[(i + 1) % 4]);
    for (const i of [0, 1]) lines.push(small[i], above); // a roof tells which side is up
    lines.push(small[0], small[1]);
    this.frustum.geometry.attributes.position.array.set(lines.flat());
    this.frustum.geometry.attributes.position.needsUpdate = true;
  }

  /** Shows a decoded image. */
  setImage(image) {
    const { material } = this.mesh;
    const { map } = material;
    if (map && map.image === image) return;
    if (map && map.image.naturalWidth === image.naturalWidth && map.image.naturalHeight === image.naturalHeight) {
      map.image = image;
      map.needsUpdate = true;
    } else {
      map?.dispose();
      material.map = new Texture(image);
      Object.assign(material.map, {
        colorSpace: SRGBColorSpace, minFilter: LinearMipmapLinearFilter, magFilter: LinearFilter, anisotropy: 4, needsUpdate: true,
      });
      material.needsUpdate = true;
    }
  }

  /** Fades as the view turns away from the photo's own, so that hands stand out. */
  setLook({ photo, camera, aside }) {
    this.mesh.material.opacity = 1 - (1 - FAINTEST) * aside;
    this.mesh.visible = photo && Boolean(this.mesh.material.map);
    this.frustum.visible = camera;
  }
}

/** Loads the images of frames: data URIs, or "#id" of an <img> of the page. */
export class ImageCache {
  constructor() {
    this.images = new Map();
  }

  /** A promise of the decoded image. */
  get(source) {
    if (!this.images.has(source)) {
      let image = source.startsWith("#") && document.getElementById(source.slice(1));
      if (!image) {
        image = new Image();
        image.src = source;
      }
      image.loading = "eager";
      this.images.set(source, image.decode().then(() => image));
    }
    return this.images.get(source);
  }

  clear() {
    this.images.clear();
  }
}
