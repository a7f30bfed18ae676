"""Small meshes for the rasterizer's tests."""

import torch


def random_soup(batch=2, count=20, seed=0):
    """Unconnected triangles of all sizes, some facing away: vertices (B, 3 count, 3), faces, 2 x colours."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(batch, count, 1, 2, generator=generator) * 2 - 1
    spread = torch.rand(batch, count, 1, 1, generator=generator)
    screen = centre + spread * torch.randn(batch, count, 3, 2, generator=generator) * 0.5
    z = 1 + 2 * torch.rand(batch, count, 3, 1, generator=generator)
    vertices = torch.cat([screen, z], -1).flatten(1, 2)
    faces = torch.arange(3 * count).view(count, 3)
    colors = torch.rand(batch, 2 * count, 3, generator=generator)
    return vertices, faces, colors


def octahedron(batch=1, radius=0.6, seed=0):
    """A closed mesh of 8 large faces, a little deformed: vertices (B, 6, 3), faces (8, 3), 2 x colours."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.eye(3)
    vertices = radius * torch.cat([axes, -axes]).repeat(batch, 1, 1)
    vertices = (
        vertices + 0.1 * torch.randn(batch, 6, 3, generator=generator) + torch.tensor([0.02, 0.03, 2.0])
    )
    faces = torch.tensor(
        [[0, 1, 2], [1, 3, 2], [3, 4, 2], [4, 0, 2], [1, 0, 5], [3, 1, 5], [4, 3, 5], [0, 4, 5]]
    )
    return vertices, faces, torch.rand(batch, 16, 3, generator=generator)


def gradients(loss_of, *inputs):
    """The gradients of ``loss_of(*inputs)``, on fresh leaves."""
    leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
    return torch.autograd.grad(loss_of(*leaves), leaves)
