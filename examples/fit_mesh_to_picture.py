"""Deforms a ball until it looks like an image, and writes the way there as a GIF.

python examples/fit_mesh_to_picture.py image.png fit.gif
"""

import sys

import numpy as np
import torch
import trimesh
from PIL import Image

from s2hand.geometry.laplacian import cotangent_laplacian
from s2hand.rendering import rasterize

SIZE, STEPS = 128, 150
image = Image.open(sys.argv[1]).convert("RGB").resize((SIZE, SIZE))
target = torch.tensor(np.array(image)).permute(2, 0, 1)[None] / 255
ball = trimesh.creation.icosphere(3)
faces = torch.tensor(ball.faces)
offset = torch.tensor([0.0, 0.0, 3.0])  # x and y are the image's, [-1, 1]; z is the distance
vertices = (0.8 * torch.tensor(ball.vertices).float() + offset)[None].requires_grad_()
colors = torch.full((1, len(faces), 3), 0.5, requires_grad=True)
optimizer = torch.optim.Adam([{"params": vertices, "lr": 0.01}, {"params": colors, "lr": 0.05}])
frames = []
for _ in range(STEPS):
    rgb = rasterize(vertices, faces, colors, SIZE, background=(1, 1, 1), anti_aliasing=True).rgb
    smoothness = cotangent_laplacian(vertices, faces).square().sum(-1).mean()
    loss = (rgb - target).square().mean() + smoothness
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    frames.append(Image.fromarray((rgb[0].detach().clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()))
frames[0].save(sys.argv[2], save_all=True, append_images=frames[1::3], duration=50, loop=0)
print(f"{STEPS} steps, last mean squared error {(rgb - target).square().mean().item():.4f}: {sys.argv[2]}")
