"""Procedural scenes: rooms of boxes and balls with exact depth and labels.

Made for tests: no file, no dependency but torch, the same pixels for the same seed. Colours are linear sRGB, 1 at
the display's white; distances are in metres.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

__all__ = ["LABELS", "Plane", "Room", "Scene", "Solid", "random_room", "render"]

LABELS = ("floor", "ceiling", "wall", "box", "ball")
"""Names of the classes by number."""

_LIGHT = (0.35, 0.8, -0.5)
_AMBIENT = 0.35
_EYE_HEIGHT_M = 1.5
_FAR_M = 1e6


@dataclass(frozen=True)
class Plane:
    """A wall of the room: the points whose coordinate `axis` (0 right, 1 up, 2 ahead) is `at_m`."""

    axis: int
    at_m: float
    label: int
    colour: tuple[float, float, float]
    texture: str = "plain"


@dataclass(frozen=True)
class Solid:
    """A box that stands parallel to the walls, or a ball, by its centre and half extent in metres."""

    kind: str
    centre_m: tuple[float, float, float]
    half_m: tuple[float, float, float]
    colour: tuple[float, float, float]
    texture: str = "plain"


@dataclass(frozen=True)
class Room:
    """Planes and solids before a camera at the origin that looks ahead along axis 2; `view_deg` is its width."""

    planes: tuple[Plane, ...]
    solids: tuple[Solid, ...]
    view_deg: float = 60.0


@dataclass(frozen=True)
class Scene:
    """A rendered room.

    Attributes:
        rgb: (3, H, W) linear sRGB, antialiased.
        depth_m: (1, H, W) distance along the optical axis at the pixels' centres, in metres.
        labels: (1, H, W) int64, numbers of `LABELS` at the pixels' centres.
        focal_px: focal length in pixels.
    """

    rgb: Tensor
    depth_m: Tensor
    labels: Tensor
    focal_px: float


@dataclass
class _Hits:
    """The nearest surface so far along each ray: its distance, label, normal (3, H, W) and colour (3, H, W)."""

    depth: Tensor
    label: Tensor
    normal: Tensor
    colour: Tensor

    def offer(self, depth: Tensor, hit: Tensor, label: int, normal: Tensor, colour: Tensor) -> None:
        """Take a surface where it is hit and nearer than what was there."""
        nearer = hit & (depth < self.depth)
        self.depth = torch.where(nearer, depth, self.depth)
        self.label = torch.where(nearer, label, self.label)
        self.normal = torch.where(nearer, normal, self.normal)
        self.colour = torch.where(nearer, colour, self.colour)


def random_room(seed: int, *, solids: int = 6) -> Room:
    """A room of 3 to 4 metres' height with boxes and balls on its floor.

    Args:
        seed: same seed, same room.
        solids: number of boxes and balls.

    Returns:
        A room for `render`.

    Source: own construction.
    """
    rng = torch.Generator().manual_seed(seed)
    half_width, ceiling, back = _between(rng, 2.2, 3.5), _between(rng, 1.5, 2.3), _between(rng, 5.5, 9.0)
    planes = (
        Plane(1, -_EYE_HEIGHT_M, 0, _colour(rng), "checker"),
        Plane(1, ceiling, 1, (0.75, 0.75, 0.72)),
        Plane(0, -half_width, 2, _colour(rng), "stripes"),
        Plane(0, half_width, 2, _colour(rng), "speckle"),
        Plane(2, back, 2, _colour(rng), "checker"),
    )
    things = []
    for i in range(solids):
        size = _between(rng, 0.2, 0.6)
        ball = i % 2 == 1
        height = size if ball else size * _between(rng, 0.6, 1.8)
        depth = size if ball else size * _between(rng, 0.6, 1.4)
        ahead = _between(rng, 2.6, back - 1.0)
        side = _between(rng, -1.0, 1.0) * min(half_width - size, 0.5 * ahead)
        texture = ("checker", "plain", "stripes", "speckle")[int(_between(rng, 0.0, 4.0)) % 4]
        centre = (side, height - _EYE_HEIGHT_M, ahead)
        things.append(Solid("ball" if ball else "box", centre, (size, height, depth), _colour(rng), texture))
    return Room(planes, tuple(things))


def render(room: Room, size: tuple[int, int], *, samples: int = 2) -> Scene:
    """Look into a room.

    Args:
        room: what is there.
        size: height and width of the picture in pixels.
        samples: rays in each direction of a pixel, averaged for the colour; depth and labels have one.

    Returns:
        The picture with exact depth and labels.

    Raises:
        ValueError: if the size or the number of samples is not positive.

    Source: pinhole camera; Lambert's cosine law with one far light and an ambient part, without shadows.
    """
    if min(*size, samples) < 1:
        raise ValueError(f"a picture of {size} with {samples} samples cannot be rendered; all must be positive")
    height, width = size
    focal_px = 0.5 * width / math.tan(math.radians(room.view_deg) / 2)
    centre = _trace(room, size, focal_px)
    total = torch.zeros(3, height, width)
    for i in range(samples * samples):
        dy, dx = ((k + 0.5) / samples - 0.5 for k in divmod(i, samples))
        total += _shade(centre if samples == 1 else _trace(room, size, focal_px, dy, dx))
    return Scene(total / samples**2, centre.depth[None], centre.label[None], focal_px)


def _trace(room: Room, size: tuple[int, int], focal_px: float, dy: float = 0.0, dx: float = 0.0) -> _Hits:
    """The nearest surface along one ray for each pixel, `dy` and `dx` pixels off its centre."""
    height, width = size
    down = (torch.arange(height) + 0.5 + dy - height / 2) / focal_px
    right = (torch.arange(width) + 0.5 + dx - width / 2) / focal_px
    ray = torch.stack([right.expand(height, width), -down[:, None].expand(height, width), torch.ones(height, width)])
    hits = _Hits(
        torch.full(size, _FAR_M), torch.full(size, 2, dtype=torch.int64), -ray, torch.full((3, height, width), 0.5)
    )
    for plane in room.planes:
        _hit_plane(hits, ray, plane)
    for solid in room.solids:
        (_hit_ball if solid.kind == "ball" else _hit_box)(hits, ray, solid)
    return hits


def _hit_plane(hits: _Hits, ray: Tensor, plane: Plane) -> None:
    depth = plane.at_m / ray[plane.axis]
    point = ray * depth
    normal = torch.zeros_like(ray)
    normal[plane.axis] = -math.copysign(1.0, plane.at_m)
    across = [axis for axis in range(3) if axis != plane.axis]
    hits.offer(depth, depth > 0, plane.label, normal, _paint(plane.texture, plane.colour, point[across]))


def _hit_box(hits: _Hits, ray: Tensor, solid: Solid) -> None:
    """The nearest of three slabs' entries that lies before all exits (Kay and Kajiya 1986)."""
    low = torch.tensor([c - h for c, h in zip(solid.centre_m, solid.half_m, strict=True)])[:, None, None] / ray
    high = torch.tensor([c + h for c, h in zip(solid.centre_m, solid.half_m, strict=True)])[:, None, None] / ray
    enter, axis = torch.minimum(low, high).max(dim=0)
    leave = torch.maximum(low, high).amin(dim=0)
    normal = torch.zeros_like(ray).scatter_(0, axis[None], 1.0) * -ray.sign()
    point = ray * enter - torch.tensor(solid.centre_m)[:, None, None]
    first, second = (axis == 0).long(), 2 - (axis == 2).long()
    across = torch.stack([point.gather(0, first[None])[0], point.gather(0, second[None])[0]])
    colour = _paint(solid.texture, solid.colour, across)
    hits.offer(enter, (enter < leave) & (enter > 0), LABELS.index("box"), normal, colour)


def _hit_ball(hits: _Hits, ray: Tensor, solid: Solid) -> None:
    centre, radius = torch.tensor(solid.centre_m)[:, None, None], solid.half_m[0]
    squared = ray.square().sum(dim=0)
    along = (ray * centre).sum(dim=0) / squared
    inside = along.square() - (centre.square().sum() - radius**2) / squared
    depth = along - inside.clamp(min=0.0).sqrt()
    normal = (ray * depth - centre) / radius
    angles = torch.stack([torch.atan2(normal[0], normal[2]), torch.asin(normal[1].clamp(-1.0, 1.0))]) * 0.4
    colour = _paint(solid.texture, solid.colour, angles)
    hits.offer(depth, (inside > 0) & (depth > 0), LABELS.index("ball"), normal, colour)


def _paint(texture: str, colour: tuple[float, float, float], at_m: Tensor) -> Tensor:
    """(3, H, W) reflectance of a texture at surface coordinates (2, H, W)."""
    base = torch.tensor(colour)[:, None, None]
    cells = (at_m / 0.25).floor()
    if texture == "checker":
        pattern = 1.0 - 0.6 * ((cells[0] + cells[1]) % 2)
    elif texture == "stripes":
        pattern = 0.75 + 0.25 * torch.sin(at_m[0] * (2 * math.pi / 0.12))
    elif texture == "speckle":
        fine = (at_m / 0.03).clamp(-1e6, 1e6).long()
        mixed = (fine[0] * 73_856_093) ^ (fine[1] * 19_349_663)
        pattern = 0.5 + ((mixed * 2_654_435_761 >> 16) % 512) / 1024.0
    else:
        pattern = torch.ones_like(cells[0])
    return base * pattern


def _shade(hits: _Hits) -> Tensor:
    light = torch.tensor(_LIGHT)
    light = (light / light.norm())[:, None, None]
    normal = hits.normal / hits.normal.norm(dim=0, keepdim=True)
    lit: Tensor = _AMBIENT + (1 - _AMBIENT) * (normal * light).sum(dim=0).clamp(min=0.0)
    return hits.colour * lit


def _between(rng: Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(1, generator=rng))


def _colour(rng: Generator) -> tuple[float, float, float]:
    red, green, blue = (0.08 + 0.82 * torch.rand(3, generator=rng)).tolist()
    return red, green, blue
