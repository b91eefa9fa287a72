"""Norms: RMSNorm (arXiv 1910.07467), which on a CPU has no kernel of its own in torch, and LayerNorm (1607.06450)."""

from typing import Any

import torch
from torch import Tensor, nn

from planners.shape import Shape


class Rms(torch.autograd.Function):
    """x / rms(x) * weight in half the time on a CPU that automatic differentiation of its parts takes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        """Return the norm of x (…, width) over its last dimension."""
        scale = x.square().mean(-1, keepdim=True).add_(eps).rsqrt_()
        unit = x * scale
        ctx.save_for_backward(unit, scale, weight)
        return unit * weight

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of x and weight: that of x has no part along x, which a norm does not see."""
        (unit, scale, weight), (gradient,) = ctx.saved_tensors, gradients
        product = (gradient * unit).view(-1, len(weight))
        along = torch.mv(product, weight).view(scale.shape)
        of_x = torch.addcmul(gradient * weight, unit, along, value=-1 / len(weight)).mul_(scale)
        return of_x, product.sum(0), None


class RMSNorm(nn.RMSNorm):
    """torch's, with `Rms` where it is faster."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the norm of x (…, width)."""
        plain = x.device.type != "cpu" or x.dtype != self.weight.dtype or torch.compiler.is_compiling()
        y: Tensor = super().forward(x) if plain else Rms.apply(x, self.weight, self.eps)  # type: ignore[no-untyped-call]
        return y


Norm = RMSNorm | nn.LayerNorm


def norm_of(shape: Shape, width: int) -> Norm:
    """Return a norm of the kind that `shape` has."""
    return RMSNorm(width, eps=1e-6) if shape.norm == "rmsnorm" else nn.LayerNorm(width, eps=1e-5)
