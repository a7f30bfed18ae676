"""Opens the wrist and simplifies the mesh by quadric edge collapse (Garland and Heckbert 1997).

A disc with V vertices and a boundary of B edges has 2V - 2 - B triangles: 778 vertices and 16 boundary edges
give MANO's 1538 triangles.
"""

from __future__ import annotations

import heapq

import numpy as np

from .surface import closest_points, neighbour_mean, vertex_normals

LENGTH_WEIGHT = 2e-3
"""How much a collapse's cost counts the edge's length, beside the quadric: evens out flat regions."""

QUADRIC_RIDGE = 1e-3
"""Pulls a collapsed vertex towards the edge's midpoint where the surface is flat and the quadric vague."""

MIN_NORMAL_COSINE = 0.5
"""A collapse may not turn a triangle by more than 60 degrees."""

MAX_VALENCE = 8


def open_wrist(vertices: np.ndarray, faces: np.ndarray, cut_normal: np.ndarray) -> np.ndarray:
    """Drops the flat cap that closes the wrist.

    Args:
        vertices: (N, 3).
        faces: (F, 3) of a closed surface.
        cut_normal: (3,) unit vector; triangles at the mesh's end in this direction are the cap.

    Returns:
        (F', 3) the faces that stay.
    """
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    height = corners.mean(1) @ cut_normal
    cap = (normals @ cut_normal > 0.9) & (height > height.max() - 0.01)
    return faces[~cap]


class Simplifier:
    """A triangle mesh that edges are collapsed in."""

    def __init__(self, vertices: np.ndarray, faces: np.ndarray, importance: np.ndarray):
        """
        Args:
            vertices: (N, 3).
            faces: (F, 3).
            importance: (N,) multiplies the cost of collapses there, so more triangles stay.
        """
        self.importance = [float(value) for value in importance]
        self.position = [point for point in np.asarray(vertices, float)]
        self.triangles = {i: tuple(int(v) for v in face) for i, face in enumerate(faces)}
        self.around = [set() for _ in self.position]
        for i, face in self.triangles.items():
            for vertex in face:
                self.around[vertex].add(i)
        self.boundary = {v for edge in self._boundary_edges() for v in edge}
        self.quadric = [np.zeros((4, 4)) for _ in self.position]
        for face in self.triangles.values():
            quadric = _plane_quadric(*(self.position[v] for v in face))
            for vertex in face:
                self.quadric[vertex] += quadric
        self.alive = {v for face in self.triangles.values() for v in face}
        self.version = [0] * len(self.position)

    def simplify_boundary(self, edges: int) -> None:
        """Collapses the shortest boundary edges until ``edges`` are left."""
        while len(self.boundary) > edges:
            length = {
                e: np.linalg.norm(self.position[e[0]] - self.position[e[1]]) for e in self._boundary_edges()
            }
            for u, v in sorted(length, key=lambda edge: (length[edge], edge)):
                if self._is_allowed(u, v, middle := (self.position[u] + self.position[v]) / 2):
                    self._collapse(u, v, middle)
                    break
            else:
                raise ValueError("no boundary edge can be collapsed")

    def simplify(self, vertices: int) -> None:
        """Collapses the cheapest inner edges until ``vertices`` are left."""
        heap = []
        for u in sorted(self.alive):
            for v in sorted(self._neighbours(u)):
                if u < v:
                    self._push(heap, u, v)
        while len(self.alive) > vertices:
            if not heap:
                raise ValueError("no edge can be collapsed")
            _, u, v, stamp, target = heapq.heappop(heap)
            if stamp != (self.version[u], self.version[v]) or not self._is_allowed(u, v, np.array(target)):
                continue
            self._collapse(u, v, np.array(target))
            for neighbour in sorted(self._neighbours(u)):
                self._push(heap, u, neighbour)

    def mesh(self) -> tuple[np.ndarray, np.ndarray]:
        """The vertices and faces that are left, renumbered."""
        kept = sorted(self.alive)
        new = {old: i for i, old in enumerate(kept)}
        faces = [[new[v] for v in self.triangles[i]] for i in sorted(self.triangles)]
        return np.array([self.position[v] for v in kept]), np.array(faces)

    def _boundary_edges(self) -> list[tuple[int, int]]:
        count = {}
        for face in self.triangles.values():
            for u, v in zip(face, face[1:] + face[:1], strict=True):
                edge = (min(u, v), max(u, v))
                count[edge] = count.get(edge, 0) + 1
        return [edge for edge, faces in count.items() if faces == 1]

    def _neighbours(self, vertex: int) -> set[int]:
        return {v for i in self.around[vertex] for v in self.triangles[i]} - {vertex}

    def _push(self, heap: list, u: int, v: int) -> None:
        if u in self.boundary and v in self.boundary:
            return
        target, cost = self._target(u, v)
        heapq.heappush(heap, (cost, u, v, (self.version[u], self.version[v]), tuple(target)))

    def _target(self, u: int, v: int) -> tuple[np.ndarray, float]:
        """Where the edge's collapsed vertex goes, and what that costs."""
        quadric = self.quadric[u] + self.quadric[v]
        middle = (self.position[u] + self.position[v]) / 2
        length = np.linalg.norm(self.position[u] - self.position[v])
        if u in self.boundary or v in self.boundary:
            target = self.position[u if u in self.boundary else v]
        else:
            ridge = QUADRIC_RIDGE * np.trace(quadric[:3, :3]) * np.eye(3)
            target = np.linalg.solve(quadric[:3, :3] + ridge, ridge @ middle - quadric[:3, 3])
            if np.linalg.norm(target - middle) > length:
                target = middle
        point = np.append(target, 1)
        area = np.trace(quadric[:3, :3])
        importance = self.importance[u] + self.importance[v]
        return target, importance * float(point @ quadric @ point + LENGTH_WEIGHT * area * length**2)

    def _is_allowed(self, u: int, v: int, target: np.ndarray) -> bool:
        """Whether the collapse keeps a disc, turns no triangle over and makes no crowded vertex."""
        shared = self.around[u] & self.around[v]
        common = self._neighbours(u) & self._neighbours(v)
        if len(common) != len(shared) or len(self._neighbours(u) | self._neighbours(v)) - 2 > MAX_VALENCE:
            return False
        for i in self.around[u] ^ self.around[v]:
            old = [self.position[w] for w in self.triangles[i]]
            new = [target if w in (u, v) else self.position[w] for w in self.triangles[i]]
            before, after = (np.cross(b - a, c - a) for a, b, c in (old, new))
            if before @ after < MIN_NORMAL_COSINE * np.linalg.norm(before) * np.linalg.norm(after):
                return False
        return True

    def _collapse(self, u: int, v: int, target: np.ndarray) -> None:
        """Merges ``v`` into ``u`` at ``target``."""
        for i in self.around[u] & self.around[v]:
            for vertex in self.triangles.pop(i):
                self.around[vertex].discard(i)
        for i in self.around[v]:
            self.triangles[i] = tuple(u if w == v else w for w in self.triangles[i])
        self.around[u] |= self.around[v]
        self.around[v] = set()
        if v in self.boundary:
            self.boundary.discard(v)
            self.boundary.add(u)
        self.position[u] = target
        self.quadric[u] = self.quadric[u] + self.quadric[v]
        self.importance[u] = max(self.importance[u], self.importance[v])
        self.alive.discard(v)
        for vertex in self._neighbours(u) | {u, v}:
            self.version[vertex] += vertex in (u, v)


def _plane_quadric(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The squared distance to the triangle's plane as a quadratic form, weighted by the area."""
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal)
    if area < 1e-14:
        return np.zeros((4, 4))
    plane = np.append(normal / area, -(normal / area) @ a)
    return area / 2 * np.outer(plane, plane)


def relax(
    vertices: np.ndarray, faces: np.ndarray, surface: tuple[np.ndarray, np.ndarray], rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Evens out triangles: flips edges and slides vertices along the surface they came from.

    Args:
        vertices: (N, 3).
        faces: (F, 3).
        surface: vertices and faces of the original mesh, which vertices stay on.
        rounds: how often.

    Returns:
        New vertices and faces.
    """
    boundary = boundary_loop(faces)
    fixed = np.zeros(len(vertices), bool)
    fixed[boundary] = True
    for _ in range(rounds):
        faces = flip_edges(vertices, faces)
        normals = vertex_normals(vertices, faces)
        step = neighbour_mean(vertices, faces) - vertices
        step -= (step * normals).sum(1, keepdims=True) * normals
        step[fixed] = 0
        vertices = vertices + 0.5 * step
        on_surface, _, _ = closest_points(vertices, *surface)
        vertices = np.where(fixed[:, None], vertices, on_surface)
    return vertices, flip_edges(vertices, faces)


def flip_edges(vertices: np.ndarray, faces: np.ndarray, max_fold_cosine: float = 0.8) -> np.ndarray:
    """Flips inner edges whose two opposite angles sum to more than pi, where the surface is nearly flat."""
    faces = [tuple(int(v) for v in face) for face in faces]
    changed = True
    while changed:
        changed = False
        owner = {}
        for i, face in enumerate(faces):
            for k in range(3):
                owner[face[k], face[(k + 1) % 3]] = (i, face[(k + 2) % 3])
        touched = set()
        for (u, v), (i, opposite) in list(owner.items()):
            if u > v or (v, u) not in owner:
                continue
            j, other = owner[v, u]
            if i in touched or j in touched or (opposite, other) in owner or (other, opposite) in owner:
                continue
            if _should_flip(*(vertices[w] for w in (u, v, opposite, other)), max_fold_cosine):
                faces[i], faces[j] = (opposite, u, other), (other, v, opposite)
                touched |= {i, j}
                owner[opposite, other] = owner[other, opposite] = (i, u)
                changed = True
    return np.array(faces)


def _should_flip(u, v, opposite, other, max_fold_cosine: float) -> bool:
    def angle(at, a, b):
        a, b = a - at, b - at
        return np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)

    if angle(opposite, u, v) + angle(other, u, v) <= np.pi + 1e-3:
        return False
    triangles = [(u, v, opposite), (v, u, other), (opposite, u, other), (other, v, opposite)]
    normals = [np.cross(b - a, c - a) for a, b, c in triangles]
    lengths = [np.linalg.norm(n) for n in normals]
    if min(lengths) < 1e-12:
        return lengths[0] < 1e-12 or lengths[1] < 1e-12
    before, before2, after, after2 = (n / length for n, length in zip(normals, lengths, strict=True))
    return min(before @ before2, after @ after2) > max_fold_cosine


def boundary_loop(faces: np.ndarray) -> list[int]:
    """The vertices of the mesh's one boundary, in order.

    Raises:
        ValueError: There is not exactly one loop.
    """
    directed = {(int(f[k]), int(f[(k + 1) % 3])) for f in faces for k in range(3)}
    following = {u: v for u, v in directed if (v, u) not in directed}
    loop = [min(following)]
    while (vertex := following[loop[-1]]) != loop[0]:
        loop.append(vertex)
    if len(loop) != len(following):
        raise ValueError("the mesh has more than one boundary")
    return loop
