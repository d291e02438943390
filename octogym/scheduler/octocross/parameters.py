"""Names and shapes of the model's parameters, so that a checkpoint can be checked and used without torch."""

from __future__ import annotations

from octogym.scheduler.octocross.config import FEATURE, KEY, MIDDLE, VIEWS, OctoCrossConfig

Shapes = dict[str, tuple[int, ...]]


def parameter_shapes(config: OctoCrossConfig) -> Shapes:
    """What `model.OctoCrossModel(config).named_parameters()` has, in its order."""
    d, wide = config.width, config.ffn * config.width
    found = _linear("value", 1, d)
    for m in range(len(VIEWS)):
        found |= _linear(f"spatial.views.{m}", 2, d)
    found["spatial.positions.weight"] = (config.positions, d)
    found |= _linear("temporal.weight", d, 1) | _linear("temporal.value", 1, d) | _norm("norm", d)
    for k in range(config.blocks):
        block = f"blocks.{k}"
        for kind in ("spatial", "temporal"):
            found |= _linear(f"{block}.{kind}", d, 3 * d) | _linear(f"{block}.{kind}_out", d, d)
        found[f"{block}.view_bias.weight"] = (config.heads, len(VIEWS))
        found |= _linear(f"{block}.gate", 2 * d, d) | _norm(f"{block}.norm1", d) | _norm(f"{block}.norm2", d)
        found |= _linear(f"{block}.widen", d, wide) | _linear(f"{block}.narrow", wide, d)
    found |= _linear("decoder", d, config.horizon)
    for k, (into, out) in enumerate(((config.horizon + 2 * d + 1, MIDDLE), (MIDDLE, FEATURE))):
        part = f"head.feature.{k}"
        found |= _linear(f"{part}.first", into, out) | _linear(f"{part}.second", out, out)
        found |= _linear(f"{part}.shortcut", into, out)
    found |= _linear("head.query", FEATURE, KEY)
    return found | {"head.key.weight": (KEY, FEATURE), "head.view.weight": (1, len(VIEWS))}


def _linear(name: str, into: int, out: int) -> Shapes:
    return {f"{name}.weight": (out, into), f"{name}.bias": (out,)}


def _norm(name: str, size: int) -> Shapes:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}
