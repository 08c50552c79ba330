"""Recordings in the formats of their publishers, written here byte by byte: what is read, and what is refused."""

import struct

import h5py
import numpy as np
import pytest

from dtsnn_lite.event_files import (
    DVS128_SIZE,
    NMNIST_SIZE,
    from_array,
    gestures,
    nmnist_files,
    read_aedat2,
    read_aedat31,
    read_h5,
    read_npy,
    read_nmnist,
)
from dtsnn_lite.events import Events

ROWS = [(3, 5, True, 10), (33, 0, False, 4_000), (0, 33, True, 300_000)]        # x, y, on, microseconds
END = b"#!END-HEADER\r\n"


def same(seen: Events, rows: list[tuple[int, int, bool, int]], size: tuple[int, int]) -> bool:
    at = list(zip(seen.x.tolist(), seen.y.tolist(), seen.on.tolist(), np.rint(seen.t_s * 1e6).astype(int).tolist(), strict=True))
    return at == rows and seen.size == size


def nmnist(x: int, y: int, on: bool, time: int) -> bytes:
    return bytes([x, y, on << 7 | time >> 16, time >> 8 & 255, time & 255])


def polarity(x: int, y: int, on: bool, time: int, valid: bool = True) -> bytes:
    return struct.pack("<II", x << 17 | y << 2 | on << 1 | valid, time)


def packet(events: list[bytes], kind: int = 1, overflow: int = 0, **wrong: int) -> bytes:
    head = {"type": kind, "source": 1, "size": 8, "time_at": 4, "overflow": overflow, "capacity": len(events), "number": len(events),
            "valid": len(events), **wrong}
    return struct.pack("<hhiiiiii", *head.values()) + b"".join(events)


def aedat31(path, *packets: bytes, begin: bytes = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n" + END):
    path.write_bytes(begin + b"".join(packets))
    return path


# --- N-MNIST ----------------------------------------------------------------------------

def test_nmnist_is_read_as_its_five_bytes_say(tmp_path):
    file = tmp_path / "1.bin"
    file.write_bytes(b"".join(nmnist(*row) for row in ROWS))
    assert same(read_nmnist(file), ROWS, NMNIST_SIZE)


def test_ncaltech_101_is_nmnists_format_on_the_whole_camera(tmp_path):
    (tmp_path / "a.bin").write_bytes(nmnist(239, 179, True, 10))
    assert same(read_nmnist(tmp_path / "a.bin", size=(180, 240)), [(239, 179, True, 10)], (180, 240))


def test_a_row_of_240_turns_nmnists_clock_on_and_is_no_event(tmp_path):
    file = tmp_path / "1.bin"
    file.write_bytes(nmnist(1, 2, True, 8_000) + nmnist(0, 240, False, 0) + nmnist(3, 4, False, 100))
    assert same(read_nmnist(file), [(1, 2, True, 8_000), (3, 4, False, 2**13 + 100)], NMNIST_SIZE)


def test_a_nmnist_file_that_is_cut_off_is_refused(tmp_path):
    file = tmp_path / "1.bin"
    file.write_bytes(nmnist(*ROWS[0]) + b"\x01\x02")
    with pytest.raises(ValueError, match="7 bytes are no whole number of 5"):
        read_nmnist(file)
    file.write_bytes(nmnist(40, 5, True, 10))
    with pytest.raises(ValueError, match="1.bin is no whole recording.*swapped"):
        read_nmnist(file)


def test_the_folders_of_nmnist_are_its_labels(tmp_path):
    for digit in (7, 2):
        (tmp_path / str(digit)).mkdir()
        (tmp_path / str(digit) / "00001.bin").write_bytes(nmnist(*ROWS[0]))
    assert [(path.parent.name, label) for path, label in nmnist_files(tmp_path)] == [("2", 2), ("7", 7)]
    with pytest.raises(FileNotFoundError, match="0/\\*.bin"):
        nmnist_files(tmp_path / "2")


# --- AEDAT ------------------------------------------------------------------------------

def test_aedat_2_is_big_endian_counts_from_the_lower_right_corner_and_sets_a_bit_for_off(tmp_path):
    file = tmp_path / "a.aedat"
    rows = [(struct.pack(">ii", 20 << 8 | 3 << 1 | 1, 50)), struct.pack(">ii", 1 << 15, 60), struct.pack(">ii", 127 << 8 | 127 << 1, 70)]
    file.write_bytes(b"#!AER-DAT2.0\r\n# This is a raw AE data file\r\n" + b"".join(rows))
    assert same(read_aedat2(file), [(124, 107, False, 50), (0, 0, True, 70)], DVS128_SIZE)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match="21 bytes of events are no whole number of 8"):
        read_aedat2(file)


def test_aedat_31_is_read_packet_by_packet(tmp_path):
    far = (126, 127, True, 77)
    file = aedat31(tmp_path / "a.aedat", packet([polarity(*row) for row in ROWS]), packet([struct.pack("<II", 1, 5)], kind=0),
                   packet([polarity(*far)], overflow=1))
    assert same(read_aedat31(file), [*ROWS, (126, 127, True, 77 + 2**31)], DVS128_SIZE)


def test_what_the_camera_has_declared_invalid_is_no_event(tmp_path):
    file = aedat31(tmp_path / "a.aedat", packet([polarity(*ROWS[0], valid=False), polarity(*ROWS[1])]))
    assert same(read_aedat31(file), [ROWS[1]], DVS128_SIZE)


def test_a_first_event_that_looks_like_a_comment_is_an_event(tmp_path):
    head = packet([polarity(*ROWS[0])], kind=ord("#"))                           # the packet's first byte is a #
    assert same(read_aedat31(aedat31(tmp_path / "a.aedat", head, packet([polarity(*ROWS[1])]))), [ROWS[1]], DVS128_SIZE)


@pytest.mark.parametrize("packets, words", [
    ([packet([polarity(*ROWS[0])])[:-1]], "7 bytes are left"), ([packet([polarity(*ROWS[0])])[:20]], "header at byte 0 is cut off"),
    ([packet([polarity(*ROWS[0])], size=7)], "events of 7 bytes"), ([packet([polarity(*ROWS[0])], number=2)], "asks for 1 events"),
    ([packet([polarity(*ROWS[0])], capacity=-1)], "asks for -1"), ([packet([polarity(200, 5, True, 1)])], "swapped"),
])
def test_an_aedat_file_that_is_cut_off_or_wrong_is_refused(tmp_path, packets, words):
    with pytest.raises(ValueError, match=words):
        read_aedat31(aedat31(tmp_path / "a.aedat", *packets))


def test_a_file_of_another_version_or_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match="does not begin with #!AER-DAT3.1"):
        read_aedat31(aedat31(tmp_path / "a.aedat", begin=b"#!AER-DAT2.0\r\n"))
    with pytest.raises(ValueError, match="no end"):
        read_aedat31(aedat31(tmp_path / "a.aedat", begin=b"#!AER-DAT3.1\r\n#Format"))


def test_gestures_are_cut_out_of_their_recordings(tmp_path):
    aedat31(tmp_path / "user01_led.aedat", packet([polarity(k, k, True, 1000 * k) for k in range(10)]))
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\n\n")
    labels = tmp_path / "user01_led_labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\n2,1000,4000\n11,7000,9500\n")
    found = list(gestures(tmp_path))
    assert [label for _, label in found] == [1, 10]
    assert found[0][0].x.tolist() == [1, 2, 3] and np.allclose(found[0][0].t_s, [0, 0.001, 0.002])
    assert found[1][0].x.tolist() == [7, 8, 9]
    for row, words in (("12,1000,4000", "classes are 1 to 11"), ("2,1000", "startTime_usec,endTime_usec"), ("x,1,2", "startTime_usec"),
                       ("2,4000,1000", "labels.csv.*begins before it ends")):
        labels.write_text(f"class,startTime_usec,endTime_usec\n{row}\n")
        with pytest.raises(ValueError, match=words):
            list(gestures(tmp_path))


# --- arrays -----------------------------------------------------------------------------

def test_a_structured_array_is_read_by_its_names(tmp_path):
    table = np.array([(t, on, y, x) for x, y, on, t in ROWS], dtype=[("t", "i8"), ("p", "?"), ("y", "i2"), ("x", "i2")])
    np.save(tmp_path / "a.npy", table)
    assert same(read_npy(tmp_path / "a.npy", (40, 40)), ROWS, (40, 40))
    assert same(from_array(table[::-1], (40, 40)), ROWS, (40, 40))               # sorted by time


def test_plain_numbers_are_read_in_the_order_that_is_said(tmp_path):
    np.save(tmp_path / "a.npy", np.array([(x, y, on, t / 1000) for x, y, on, t in ROWS]))
    assert same(read_npy(tmp_path / "a.npy", (40, 40), columns="xypt", tick_s=1e-3), ROWS, (40, 40))
    assert same(from_array(np.array([(t, x, y, 1 if on else -1) for x, y, on, t in ROWS]), (40, 40), columns="txyp"), ROWS, (40, 40))


@pytest.mark.parametrize("table, words", [
    (np.zeros((3, 3)), "\\(E, 4\\)"), (np.zeros(3, dtype=[("x", "i2"), ("y", "i2"), ("time", "i8")]), "x, y, t and p"),
    (np.array([[0.5, 0, 1, 1]]), "int16 cannot"),
])
def test_an_array_of_something_else_is_refused(tmp_path, table, words):
    np.save(tmp_path / "a.npy", table)
    with pytest.raises(ValueError, match=words):
        read_npy(tmp_path / "a.npy", (40, 40))


def test_a_file_that_could_run_code_is_never_opened(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"x": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="no whole .npy file"):
        read_npy(tmp_path / "a.npy", (40, 40))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:30])
    with pytest.raises(ValueError, match="no whole .npy file"):
        read_npy(tmp_path / "a.npy", (40, 40))


def test_hdf5_is_read_where_h5py_is(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, column in zip("xypt", zip(*ROWS, strict=True), strict=True):
            file[f"events/{name}"] = np.array(column)
    assert same(read_h5(tmp_path / "a.h5", (40, 40)), ROWS, (40, 40))
    with pytest.raises(ValueError, match="other/x, y, t and p"):
        read_h5(tmp_path / "a.h5", (40, 40), group="other")


def test_without_h5py_one_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ModuleNotFoundError, match="pip install h5py"):
        read_h5(tmp_path / "a.h5", (40, 40))
