"""Trained weights on disk: safetensors with a JSON card, never unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from dtsnn_lite.chip import HPADC, SARADC, AffineSteps, Chip, Ideal, Parts65nm, PECycle, SenseAmp, Ternary
from dtsnn_lite.conversion import AnnConfig, quantised_ann
from dtsnn_lite.files import ASSETS, POLICIES, whole_file
from dtsnn_lite.models import ConvConfig, ResNetConfig, SpikingNet, build
from dtsnn_lite.neurons import LIF
from dtsnn_lite.policy import PolicyNet

KINDS = {"ConvConfig": ConvConfig, "ResNetConfig": ResNetConfig, "AnnConfig": AnnConfig}
READOUTS = {kind.__name__: kind for kind in (Ideal, HPADC, SARADC, SenseAmp, Ternary)}
PRICES = {kind.__name__: kind for kind in (PECycle, AffineSteps, Parts65nm)}


def save_net(net: SpikingNet | nn.Sequential, path: str | Path, card: dict, dtype: torch.dtype | None = None) -> dict:
    """Write weights and, beside them, the card with configuration and sha256; the card is returned.

    dtype  torch.float16 halves the file (batch-norm statistics included)
    """
    config = {"kind": type(net.config).__name__, **asdict(net.config)}
    if getattr(net, "chip", None) is not None:
        config["chip"] = chip_fields(net.chip)
    return save_weights({k: _cast(v, dtype) for k, v in net.state_dict().items()}, config, path,
                        {**card, "weights": sum(p.numel() for p in net.parameters())})


def load_net(path: str | Path) -> SpikingNet | nn.Sequential:
    """The network in a file written by `save_net`."""
    with saved_weights(path, "checkpoint", made_by="python -m dtsnn_lite train") as (saved, tensors):
        chip = chip_of(saved.pop("chip")) if "chip" in saved else None
        config = _config_of(saved)
        net = quantised_ann(config) if isinstance(config, AnnConfig) else build(config, chip)
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return net.eval()


def save_weights(tensors: dict[str, torch.Tensor], config: dict, path: str | Path, card: dict) -> dict:
    """Weights with their configuration and, beside them, the card with both and the sha256; the card is returned.

    The card is removed while the weights are replaced: weights without one load, weights with another's do not.
    """
    path = Path(path)
    weights = save({k: v.contiguous() for k, v in tensors.items()}, metadata={"config": json.dumps(config)})
    card = {**card, "config": config, "sha256": hashlib.sha256(weights).hexdigest()}
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    with whole_file(path.with_suffix(".json")) as new_card:
        new_card.write_text(text)
        with whole_file(path) as new_weights:
            new_weights.write_bytes(weights)
            path.with_suffix(".json").unlink(missing_ok=True)
    return card


@contextmanager
def saved_weights(path: str | Path, what: str, made_by: str) -> Iterator[tuple[dict, dict[str, torch.Tensor]]]:
    """The configuration and the weights of `save_weights` while a network is made of them."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"no {what} at {path}; `{made_by}` makes one")
    try:
        with safe_open(path, "pt") as file:
            config = json.loads(file.metadata()["config"])
            tensors = {k: file.get_tensor(k) for k in file.keys()}
        _check_fingerprint(path)
        if broken := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
            raise ValueError(f"{broken[0]} holds NaN or infinity: the training diverged")
        yield config, tensors
    except Exception as error:       # header, JSON, missing field, shapes: each means a damaged file
        raise ValueError(f"{path} is not a whole {what} ({error}); make it again or fetch it again") from error


def chip_fields(chip: Chip) -> dict:
    """A chip as JSON: what it does to the numbers, and the name of its price list; no flaws."""
    plain = {f.name: getattr(chip, f.name) for f in fields(chip)
             if f.name not in ("readout", "first_readout", "charges", "exit_unit", "flaws")}
    kinds = {name: {"kind": type(readout).__name__, **asdict(readout)}
             for name in ("readout", "first_readout") if (readout := getattr(chip, name)) is not None}
    return {**plain, **kinds, "charges": type(chip.charges).__name__}


def chip_of(saved: dict) -> Chip:
    """The chip that `chip_fields` wrote, at today's prices."""
    saved = dict(saved)
    charges = saved.pop("charges")
    for name in ("readout", "first_readout"):
        if name in saved:
            readout = dict(saved[name])
            saved[name] = READOUTS[readout.pop("kind")](**readout)
    return Chip(**saved, charges=PRICES[charges]() if charges in PRICES else None)


def _check_fingerprint(path: Path) -> None:
    card = path.with_suffix(".json")
    if card.exists() and json.loads(card.read_text())["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ValueError(f"its sha256 is not the one on {card.name}")


def save_policy(policy: PolicyNet, path: str | Path, card: dict) -> dict:
    """Write weights and, beside them, a card; the card is returned."""
    config = {"in_shape": list(policy.in_shape), "timesteps": policy.timesteps,
              "channels": [policy.look[0].out_channels, policy.think[0].out_channels]}
    return save_weights(policy.state_dict(), config, path, {**card, "weights": sum(p.numel() for p in policy.parameters())})


def load_policy(path: str | Path) -> PolicyNet:
    """The policy in a file written by `save_policy`."""
    with saved_weights(path, "policy", made_by="python -m dtsnn_lite train digits-policy (or cifar10-policy)") as (config, tensors):
        policy = PolicyNet(tuple(config["in_shape"]), config["timesteps"], tuple(config["channels"]))
        policy.load_state_dict(tensors)
    return policy.eval()


def shipped_policy(name: str = "digits-hard") -> PolicyNet:
    """The policy that comes with the package for the network `name`."""
    return load_policy(POLICIES / f"{name}.safetensors")


def load_shipped(name: str) -> SpikingNet | nn.Sequential:
    """A network that comes with the package, for example `digits`."""
    path = ASSETS / f"{name}.safetensors"
    if not path.exists():
        names = sorted(p.stem for p in ASSETS.glob("*.safetensors"))
        raise FileNotFoundError(f"no shipped network {name!r}; there are {names}")
    return load_net(path)


def card_of(name: str) -> dict:
    """The card of a shipped network, or of one that is only compared with and whose weights do not ship."""
    return json.loads((ASSETS / f"{name}.json").read_text())


def _cast(v: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    return v.to(dtype) if dtype and v.is_floating_point() else v


def _config_of(fields: dict) -> ConvConfig | ResNetConfig | AnnConfig:
    fields = dict(fields)
    kind = KINDS[fields.pop("kind")]
    if "lif" in fields:
        fields["lif"] = LIF(**fields["lif"])
    return kind(**{k: _tuples(v) for k, v in fields.items()})


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
