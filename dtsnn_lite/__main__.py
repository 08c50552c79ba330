"""The command line: `python -m dtsnn_lite train|record|curve|cost|facts|download`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path


def train(a: argparse.Namespace) -> dict:
    """Train a recipe and write weights, card and recordings."""
    import torch

    from dtsnn_lite.recipes import make, recipe_of, ship

    recipe = recipe_of(a.name).seeded(a.seed)
    a.out.mkdir(parents=True, exist_ok=True)
    checkpoint = a.out / f"{a.name}-seed{a.seed}.training"
    net, history, seconds = make(recipe, checkpoint, a.device, a.compile, not a.quiet, a.max_epochs)
    if len(history.loss) < recipe.training.epochs:
        return {"epochs": len(history.loss), "of": recipe.training.epochs, "continue": "the same command"}
    name = a.name if a.seed == 0 else f"{a.name}-seed{a.seed}"
    return ship(name, recipe, net, history, seconds, a.out, torch.float16 if a.half else None, a.note)


def download(a: argparse.Namespace) -> dict:
    """Fetch CIFAR-10 from its publisher."""
    from dtsnn_lite.data import download_cifar10

    return {"folder": str(download_cifar10())}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m dtsnn_lite", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    t = commands.add_parser("train", help="train a shipped network again")
    t.add_argument("name", help="digits, cifar10-small, cifar10-vgg16 or cifar10-resnet19")
    t.add_argument("--seed", type=int, default=0)
    t.add_argument("--out", type=Path, default=Path("build/assets"))
    t.add_argument("--device", default="cpu")
    t.add_argument("--compile", action="store_true", help="fuse the neurons with torch.compile")
    t.add_argument("--half", action="store_true", help="write the weights in half precision")
    t.add_argument("--max-epochs", type=int)
    t.add_argument("--note", default="", help="what the card says of the data set, e.g. ' (JPEG re-encoding)'")
    t.add_argument("--quiet", action="store_true")
    t.set_defaults(run=train)
    d = commands.add_parser("download", help="fetch a data set")
    d.add_argument("name", choices=["cifar10"])
    d.set_defaults(run=download)
    for c in commands.choices.values():
        c.add_argument("--json", action="store_true", help="print JSON")
    return p


def main(argv: list[str] | None = None) -> int:
    a = parser().parse_args(argv)
    try:
        result = a.run(a)
    except (ValueError, OSError, TypeError, FloatingPointError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=None if a.json else 1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
