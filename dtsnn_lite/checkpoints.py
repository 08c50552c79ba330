"""Trained weights on disk: safetensors with a JSON card, never unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args

import torch
from safetensors import safe_open
from safetensors.torch import save

from dtsnn_lite.chip import Charges, Chip, Constant, ExitUnit, Flaws, PowerLawDrift, Wires, readouts
from dtsnn_lite.components import Prices
from dtsnn_lite.conversion import AnnConfig, QuantisedANN, convert
from dtsnn_lite.files import ASSETS, POLICIES, whole_file
from dtsnn_lite.models import ConvConfig, FlowConfig, ResNetConfig, SpikingNet, build
from dtsnn_lite.neurons import LIF
from dtsnn_lite.policy import PolicyNet

SPIKING = {"ConvConfig": ConvConfig, "ResNetConfig": ResNetConfig, "FlowConfig": FlowConfig}
BEFORE_REFERENCES = {"SenseAmp": {"reference": 0.0}}      # what a file means that does not say it: nor did it know of gates
PRICES = {kind.__name__: kind for kind in get_args(Charges)}


def save_net(net: SpikingNet, path: str | Path, card: dict, dtype: torch.dtype | None = None) -> dict:
    """Write weights and, beside them, the card with configuration and sha256; the card is returned.

    dtype  torch.float16 halves the file (batch-norm statistics included)
    """
    if net.config is None:
        raise ValueError(f"a {type(net).__name__} has no configuration from which `build` could make it again: a policy goes with "
                         "save_policy, a converted network as its ANN with save_ann")
    config = {"kind": type(net.config).__name__, **asdict(net.config)}
    if net.chip is not None:
        config["chip"] = chip_fields(net.chip)
    return _save(net, config, path, card, dtype)


def load_net(path: str | Path) -> SpikingNet:
    """The network in a file written by `save_net`."""
    net = _load(path, "python -m dtsnn_lite train")
    if not isinstance(net, SpikingNet):
        raise ValueError(f"{path} holds an ANN: load_ann reads it, convert makes a spiking network of it")
    return net


def save_ann(ann: QuantisedANN, path: str | Path, card: dict, dtype: torch.dtype | None = None) -> dict:
    """Write weights and card of an ANN, as `save_net`."""
    return _save(ann, {"kind": type(ann.config).__name__, **asdict(ann.config)}, path, card, dtype)


def load_ann(path: str | Path) -> QuantisedANN:
    """The ANN in a file written by `save_ann`."""
    ann = _load(path, "python -m dtsnn_lite train digits-ann (or cifar10-ann)")
    if not isinstance(ann, QuantisedANN):
        raise ValueError(f"{path} holds a spiking network: load_net reads it")
    return ann


def spiking_net(path: str | Path) -> SpikingNet:
    """The network in a file; an ANN as the spiking network that it becomes."""
    net = _load(path, "python -m dtsnn_lite train")
    return net if isinstance(net, SpikingNet) else convert(net, net.config.in_shape)


def _save(net: SpikingNet | QuantisedANN, config: dict, path: str | Path, card: dict, dtype: torch.dtype | None) -> dict:
    with torch.random.fork_rng(devices=[]):          # fresh weights are dice thrown for nothing
        again = _made_of(json.loads(json.dumps(config)))
    if _described(net) != _described(again):
        raise ValueError(f"this network is not the one that its configuration describes, {net.config}: it was changed after it was built "
                         "(folded, other layers, other neurons), and no file could give it back")
    weights = {name: _cast(name, v, dtype) for name, v in net.state_dict().items()}
    return save_weights(weights, config, path, card, sum(p.numel() for p in net.parameters()))


def _load(path: str | Path, made_by: str) -> SpikingNet | QuantisedANN:
    with saved_weights(path, "checkpoint", made_by) as (config, tensors):
        net = _made_of(config)
        net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return net.eval()


def _made_of(config: dict) -> SpikingNet | QuantisedANN:
    """The network of a saved configuration, with fresh weights."""
    fields = {k: _tuples(v) for k, v in config.items() if k not in ("kind", "chip", "lif")}
    if "lif" in config:
        fields["lif"] = LIF(**config["lif"])
    match config["kind"]:
        case "AnnConfig":
            return QuantisedANN(AnnConfig(**fields))
        case kind:
            return build(SPIKING[kind](**fields), chip_of(config["chip"]) if "chip" in config else None)


def _described(net: SpikingNet | QuantisedANN) -> tuple:
    """All of a network that its weights do not say."""
    shapes = {name: v.shape for name, v in net.state_dict().items()}
    return (repr(net), shapes, net.lif, tuple(net.in_shape)) if isinstance(net, SpikingNet) else (repr(net), shapes)


def card_path(path: str | Path) -> Path:
    """Where the card of a file lies: digits.json beside digits.safetensors, a.v1.card.json beside a.v1."""
    path = Path(path)
    return path.with_suffix(".json") if path.suffix == ".safetensors" else path.with_name(f"{path.name}.card.json")


def save_weights(tensors: dict[str, torch.Tensor], config: dict, path: str | Path, card: dict, count: int) -> dict:
    """Weights with their configuration and, beside them, the card with their number, both and the sha256; the card is returned.

    The card is removed while the weights are replaced: weights without one load, weights with another's do not.
    """
    path = Path(path)
    if taken := sorted({"config", "sha256", "weights"} & set(card)):
        raise ValueError(f"the file itself says the card's {' and '.join(taken)}: leave them out of what is noted on it")
    _check_finite(tensors)
    weights = save({k: v.contiguous() for k, v in tensors.items()}, metadata={"config": json.dumps(config)})
    card = {**card, "weights": count, "config": config, "sha256": hashlib.sha256(weights).hexdigest()}
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    with whole_file(card_path(path)) as new_card:
        new_card.write_text(text)
        with whole_file(path) as new_weights:
            new_weights.write_bytes(weights)
            card_path(path).unlink(missing_ok=True)
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
        _check_finite(tensors)
        yield config, tensors
    except Exception as error:       # header, JSON, missing field, shapes: each means a damaged file
        raise ValueError(f"{path} is not a whole {what} ({error}); make it again or fetch it again") from error


# Fields of a chip that are younger than the shipped files: written where they are not as usual.
LATER = ("speed_up", "as_printed", "several_cycles", "image_bits", "membranes", "pools")


def chip_fields(chip: Chip) -> dict[str, Any]:
    """A chip as JSON; of flaws and prices, what is not as usual: the usual ones load as they are by then."""
    if chip.charges is not None and PRICES.get(type(chip.charges).__name__) is not type(chip.charges):
        raise ValueError(f"a saved chip has one of the price lists {sorted(PRICES)}; got {type(chip.charges).__name__}")
    plain = {f.name: getattr(chip, f.name) for f in fields(chip)
             if f.name not in ("readout", "first_readout", "charges", "exit_unit", "flaws")
             and not (f.name in LATER and getattr(chip, f.name) == f.default)}
    kinds = {name: {"kind": type(readout).__name__, **asdict(readout)}
             for name in ("readout", "first_readout") if (readout := getattr(chip, name)) is not None}
    unusual = {name: changed for name in ("charges", "exit_unit", "flaws") if (changed := _unusual(getattr(chip, name)))}
    prices = {"prices": unusual.pop("charges")} if "charges" in unusual else {}
    return {**plain, **kinds, "charges": type(chip.charges).__name__, **prices, **unusual}


def chip_of(saved: dict[str, Any]) -> Chip:
    """The chip that `chip_fields` wrote; what it says nothing of is at today's prices, and without flaws."""
    saved, known = {"gated": False, **saved}, {**PRICES, "NoneType": lambda: None}
    for name in ("readout", "first_readout"):
        if name in saved:
            readout = {**BEFORE_REFERENCES.get(saved[name]["kind"], {}), **saved[name]}
            saved[name] = _known("read-out", readout.pop("kind"), readouts())(**readout)
    charges = _with(_known("price list", saved.pop("charges"), known)(), saved.pop("prices", {}))
    return Chip(**saved | {"charges": charges, "exit_unit": _with(ExitUnit(), saved.pop("exit_unit", {})),
                           "flaws": _flaws_of(saved.pop("flaws", {}))})


def _flaws_of(changed: dict[str, Any]) -> Flaws:
    parts = {"drift": PowerLawDrift, "wires": Wires}
    return Flaws(**{name: parts[name](**value) if name in parts else value for name, value in changed.items()})


def _unusual(thing: Any) -> dict[str, Any]:
    """The fields of a frozen dataclass that are not its kind's defaults, as JSON."""
    if thing is None:
        return {}
    usual, found = type(thing)(), {}
    for f in fields(thing):
        value = getattr(thing, f.name)
        if value != getattr(usual, f.name):
            nested = isinstance(value, (Prices, PowerLawDrift, Wires))
            found[f.name] = _unusual(value) if nested else asdict(value) if isinstance(value, Constant) else value
    return found


def _with(prices: Any, changed: dict[str, Any]) -> Any:
    """A price list with the entries that `_unusual` wrote."""
    nested = {name for name in changed if isinstance(getattr(prices, name), Prices)}
    return replace(prices, **{name: _with(getattr(prices, name), entry) if name in nested else Constant(**entry)
                              for name, entry in changed.items()}) if changed else prices


def _known(what: str, kind: str, table: Mapping[str, Any]) -> Any:
    if kind not in table:
        raise ValueError(f"nobody knows the {what} {kind}: known are {', '.join(sorted(table))}")
    return table[kind]


def _check_fingerprint(path: Path) -> None:
    card = card_path(path)
    if card.exists() and json.loads(card.read_text())["sha256"] != hashlib.sha256(path.read_bytes()).hexdigest():
        raise ValueError(f"its sha256 is not the one on {card.name}")


def _check_finite(tensors: dict[str, torch.Tensor]) -> None:
    if broken := [k for k, v in tensors.items() if not torch.isfinite(v).all()]:
        raise ValueError(f"{broken[0]} holds NaN or infinity: the training diverged, or float16 is too narrow for it")


def save_policy(policy: PolicyNet, path: str | Path, card: dict) -> dict:
    """Write weights and, beside them, a card; the card is returned. One on a chip is refused: take it off first."""
    config = {"in_shape": list(policy.in_shape), "timesteps": policy.timesteps,
              "channels": [policy.look[0].out_channels, policy.think[0].out_channels]}
    with torch.random.fork_rng(devices=[]):
        again = _policy_of(config)
    if _described(policy) != _described(again):
        raise ValueError("this policy is not the one that its in_shape, timesteps and channels describe: it is on a chip, or was changed "
                         "after it was built, and no file could give it back")
    weights = {name: _cast(name, v, None) for name, v in policy.state_dict().items()}
    return save_weights(weights, config, path, card, sum(p.numel() for p in policy.parameters()))


def _policy_of(config: dict) -> PolicyNet:
    """The policy of a saved configuration, with fresh weights."""
    return PolicyNet(tuple(config["in_shape"]), config["timesteps"], tuple(config["channels"]))


def load_policy(path: str | Path) -> PolicyNet:
    """The policy in a file written by `save_policy`."""
    with saved_weights(path, "policy", made_by="python -m dtsnn_lite train digits-policy (or cifar10-policy)") as (config, tensors):
        policy = _policy_of(config)
        policy.load_state_dict(tensors)
    return policy.eval()


def shipped_policy(name: str = "digits-hard") -> PolicyNet:
    """The policy that comes with the package for the network `name`."""
    return load_policy(POLICIES / f"{name}.safetensors")


def load_shipped(name: str) -> SpikingNet:
    """A network that comes with the package, for example `digits`.

    >>> net = load_shipped("digits")
    >>> net.in_shape, net.head.out_features
    ((1, 28, 28), 10)
    """
    return load_net(shipped_path(name))


def shipped_ann(name: str) -> QuantisedANN:
    """An ANN that comes with the package, for example `digits-ann`."""
    return load_ann(shipped_path(name))


def shipped_path(name: str) -> Path:
    """Where the weights of a shipped network or ANN lie."""
    path = ASSETS / f"{name}.safetensors"
    if not path.exists():
        names = sorted(p.stem for p in ASSETS.glob("*.safetensors"))
        raise FileNotFoundError(f"no shipped network {name!r}; there are {names}")
    return path


def card_of(name: str) -> dict:
    """The card of a shipped network, or of one that is only compared with and whose weights do not ship."""
    return json.loads((ASSETS / f"{name}.json").read_text())


def _cast(name: str, v: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    """A tensor as the file keeps it; what load_net would round without a word is refused."""
    if v.dtype == torch.float64 and dtype is None:
        raise ValueError(f"{name} is float64 and would come back as float32: say dtype=torch.float32 to round it")
    return v.to(dtype) if dtype and v.is_floating_point() else v


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
