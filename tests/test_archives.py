"""Archives read in place: members, archives inside archives, damage, bombs, odd names."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from llmstats.errors import ParseError
from llmstats.sources import Found, Limits, TooLarge, discover, members, open_source, read_lines

FILES = {"run/a.log": b"step 1\nstep 2\n" * 5000, "run/b.log": b"loss: 1\n", "c.json": b'{"a": 1}\n'}
TARS: dict[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": gzip.compress,
    ".TGZ": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar.zst": zstandard.compress,
}


def tar(files: dict[str, bytes], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def place(root: Path, name: str, data: bytes) -> Found:
    (root / name).write_bytes(data)
    (found,) = discover([str(root / name)])
    assert found.archive
    return found


def contents(found: Found, limits: Limits | None = None) -> dict[str, bytes | tuple[str | None, str]]:
    """Below the archive's path: content of what can be read, (status, reason) of the rest."""
    out: dict[str, bytes | tuple[str | None, str]] = {}
    for member, reader in members(found, limits=limits or Limits()):
        assert (member.mtime_ns, member.inode, member.device) == (found.mtime_ns, found.inode, found.device)
        assert not member.archive
        name = member.path.removeprefix(found.path).removeprefix("!/")
        assert member.container == (found.path if name else None)
        assert (reader is None) == (member.status is not None)
        try:
            out[name] = (member.status, member.reason) if reader is None else reader.read(1 << 30)
        except TooLarge as error:
            out[name] = ("raised too_large", str(error))
        except ParseError as error:
            out[name] = ("raised", str(error))
    return out


# --------------------------------------------------------------------------- what is in them


@pytest.mark.parametrize("suffix", TARS)
def test_tars(root: Path, suffix: str) -> None:
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        assert contents(place(root, f"x{suffix}", TARS[suffix](tar(FILES, form=form)))) == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zips(root: Path, method: int) -> None:
    assert contents(place(root, "x.zip", zipped(FILES, method))) == FILES


def test_members_may_be_left_unread_or_half_read(root: Path) -> None:
    for name, data in (
        ("x.tar.gz", gzip.compress(tar(FILES))),
        ("x.tar", tar(FILES)),
        ("x.zip", zipped(FILES)),
    ):
        found = place(root, name, data)
        sizes = []
        for member, reader in members(found):
            assert reader is not None
            assert not reader.growing
            sizes.append((member.size, len(reader.read(5))))
        assert sizes == [(70000, 5), (8, 5), (9, 5)]


def test_a_member_by_its_path(root: Path) -> None:
    inner = zipped({"deep/d.log.gz": gzip.compress(b"one\ntwo\n")})
    for name, data in (
        ("x.tar.gz", gzip.compress(tar({**FILES, "in.zip": inner}))),
        ("y.zip", zipped({"in.zip": inner})),
    ):
        place(root, name, data)
        path = f"{root}/{name}!/in.zip!/deep/d.log.gz"
        with open_source(Found(path)) as reader:
            assert reader.read(100) == b"one\ntwo\n"
        assert read_lines(path, 2, 2) == ["two"]
        with pytest.raises(ParseError, match="no such member"):
            open_source(Found(f"{root}/{name}!/none.log"))
        with pytest.raises(ValueError, match="beginning"):
            open_source(Found(path), offset=3)


def test_a_plain_file_whose_path_looks_like_a_member(root: Path) -> None:
    (root / "wow!").mkdir()
    (root / "wow!/a.log").write_bytes(b"one\n")
    assert read_lines(f"{root}/wow!/a.log", 1, 1) == ["one"]
    (root / "wow!/x.zip").write_bytes(zipped(FILES))
    assert read_lines(f"{root}/wow!/x.zip!/run/b.log", 1, 1) == ["loss: 1"]


def test_archives_inside_archives(root: Path) -> None:
    deepest = gzip.compress(tar({"l.log": b"deepest\n"}))
    middle = zipped({"b.tgz": deepest, "beside.log.xz": lzma.compress(b"packed\n")})
    found = place(root, "x.tar.bz2", bz2.compress(tar({"run/a.zip": middle, "z.log": b"last\n"})))
    assert contents(found) == {
        "run/a.zip!/b.tgz!/l.log": b"deepest\n",
        "run/a.zip!/beside.log.xz": b"packed\n",
        "z.log": b"last\n",
    }


def test_damage_inside_leaves_what_is_around(root: Path) -> None:
    inner = gzip.compress(tar(FILES))
    found = place(root, "x.tar", tar({"in.tgz": inner[:-30], "in.zip": b"no zip", "z.log": b"last\n"}))
    outcomes = contents(found)
    assert outcomes["in.tgz"] == ("failed", "truncated gzip data")
    assert outcomes["in.zip"] == ("failed", "corrupt archive (File is not a zip file)")
    assert outcomes["z.log"] == b"last\n"
    assert "" not in outcomes


def test_depth_is_bounded(root: Path) -> None:
    data = b"end\n"
    name = "a.log"
    for level in range(4, 0, -1):
        data, name = zipped({name: data, f"beside{level}.log": b"x"}), f"z{level}.zip"
    found = place(root, name, data)
    assert contents(found) == {
        "z2.zip!/z3.zip!/z4.zip": ("too_large", "archives inside archives more than 3 deep"),
        "z2.zip!/z3.zip!/beside3.log": b"x",
        "z2.zip!/beside2.log": b"x",
        "beside1.log": b"x",
    }
    assert contents(found, Limits(max_depth=4))["z2.zip!/z3.zip!/z4.zip!/a.log"] == b"end\n"


def test_what_is_no_file_has_an_outcome(root: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind in (
            ("d", tarfile.DIRTYPE),
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("p", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "a.log"
            archive.addfile(info)
        archive.addfile(tarfile.TarInfo("empty.log"))
    assert contents(place(root, "x.tar", out.getvalue())) == {
        "s": ("unsupported", "a symbolic link"),
        "h": ("unsupported", "a hard link"),
        "p": ("unsupported", "a device or FIFO"),
        "empty.log": ("empty", ""),
    }


def test_links_in_a_zip(root: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("link.log")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "a.log")
        archive.mkdir("dir")
    assert contents(place(root, "x.zip", out.getvalue())) == {"link.log": ("unsupported", "a symbolic link")}


# --------------------------------------------------------------------------- names


def test_names_are_labels_only(root: Path) -> None:
    files = {
        "../../etc/evil.log": b"1",
        "/abs.log": b"2",
        "./dot.log": b"3",
        ".git/config": b"4",
        "a/.git/x": b"5",
    }
    expected = {"etc/evil.log": b"1", "abs.log": b"2", "dot.log": b"3"}
    assert contents(place(root, "x.tar", tar(files))) == expected
    assert contents(place(root, "x.zip", zipped(files))) == expected


def test_a_name_that_occurs_twice_counts_once(root: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for data in (b"first", b"second"):
            info = tarfile.TarInfo("a.log")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = list(members(place(root, "x.tar", out.getvalue())))
    assert [(f.status, f.reason) for f, _ in found] == [
        (None, ""),
        ("unsupported", "a second member of this name; the first one counts"),
    ]


def test_names_of_chinese_windows(root: Path) -> None:
    data = zipped({"ABCD/x.log": b"1"}).replace(b"ABCD", "训练".encode("gbk"))
    assert contents(place(root, "x.zip", data)) == {"训练/x.log": b"1"}
    data = zipped({"ABCDEF/x.log": b"1"}).replace(b"ABCDEF", "训练".encode())
    assert contents(place(root, "y.zip", data)) == {"训练/x.log": b"1"}
    assert contents(place(root, "z.zip", zipped({"训练/x.log": b"1"}))) == {"训练/x.log": b"1"}
    raw = bytearray(tar({"ABCD.log": b"1"}, form=tarfile.USTAR_FORMAT))
    raw[:4] = "训练".encode("gbk")
    raw[148:156] = b"%06o\0 " % (sum(raw[:148]) + 8 * 32 + sum(raw[156:512]))
    assert contents(place(root, "x.tar", bytes(raw))) == {"训练.log": b"1"}


def test_names_with_backslashes(root: Path) -> None:
    data = zipped({"dir/x.log": b"1"}).replace(b"dir/x", b"dir\\x")
    assert contents(place(root, "x.zip", data)) == {"dir/x.log": b"1"}


# --------------------------------------------------------------------------- damage


@pytest.mark.parametrize("suffix", [*TARS, ".zip"])
def test_what_is_no_archive_fails(root: Path, suffix: str) -> None:
    ((status, reason),) = contents(place(root, f"x{suffix}", b"this is no archive at all\n" * 100)).values()
    assert status == "failed"
    assert isinstance(reason, str)
    assert "corrupt" in reason or "truncated" in reason


@pytest.mark.parametrize("suffix", TARS)
def test_every_cut_of_a_tar_is_noticed(root: Path, suffix: str) -> None:
    small = {"a.log": b"one line\n" * 20, "b.log": b"two\n"}
    whole = TARS[suffix](tar(small))
    end = 3 * 512 + 4 if suffix == ".tar" else len(whole)  # the blocks of zeros at the end say nothing
    for cut in range(1, end, 7):
        outcomes = contents(place(root, f"x{suffix}", whole[:cut]))
        assert any(isinstance(o, tuple) for o in outcomes.values()) or cut % 512 == 0, cut


def test_a_tar_with_a_broken_header_says_so(root: Path) -> None:
    data = bytearray(tar(FILES))
    second = 512 + 70144
    data[second : second + 10] = b"\xff" * 10
    outcomes = contents(place(root, "x.tar", bytes(data)))
    assert outcomes.pop("run/a.log") == FILES["run/a.log"]
    ((status, reason),) = outcomes.values()
    assert status == "failed"
    assert "bad header" in str(reason)


def test_a_damaged_member_of_a_zip_leaves_the_others(root: Path) -> None:
    data = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    data[60] ^= 1
    outcomes = contents(place(root, "x.zip", bytes(data)))
    assert outcomes["run/a.log"] == ("raised", "corrupt archive (a member does not match its checksum)")
    assert outcomes["run/b.log"] == FILES["run/b.log"]


def test_a_zip_without_its_end(root: Path) -> None:
    outcomes = contents(place(root, "x.zip", zipped(FILES)[:-30]))
    assert outcomes == {"": ("failed", "corrupt archive (File is not a zip file)")}


def test_an_encrypted_zip(root: Path) -> None:
    data = bytearray(zipped({"a.log": b"secret\n"}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    assert contents(place(root, "x.zip", bytes(data))) == {"": ("failed", "encrypted")}


def test_an_unknown_method_of_a_zip(root: Path) -> None:
    data = bytearray(zipped({"a.log": b"text\n"}, zipfile.ZIP_STORED))
    for signature, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        data[data.index(signature) + method] = 9
    assert contents(place(root, "x.zip", bytes(data))) == {"a.log": ("unsupported", "zip compression method 9")}


def test_an_archive_without_files(root: Path) -> None:
    for name, data in (("x.tar", tar({})), ("x.zip", zipped({})), ("y.zip", zipped({".git/config": b"x"}))):
        assert contents(place(root, name, data)) == {"": ("empty", "an archive without files")}


def test_an_archive_that_went_away(root: Path) -> None:
    found = place(root, "x.zip", zipped(FILES))
    (root / "x.zip").unlink()
    assert contents(found) == {"": ("failed", "the file is gone")}


# --------------------------------------------------------------------------- bombs

SMALL = Limits(free_bytes=1 << 20, max_ratio=20)


def test_a_member_that_expands_without_end(root: Path) -> None:
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2):
        found = place(root, "x.zip", zipped({"zeros.log": bytes(8 << 20), "good.log": b"1"}, method))
        outcomes = contents(found, SMALL)
        assert outcomes["zeros.log"][0] == "raised too_large"
        assert contents(found)["good.log"] == b"1"


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.xz", ".tar.zst"])
def test_a_tar_that_expands_without_end(root: Path, suffix: str) -> None:
    files = {"a.log": b"1", "zeros.log": bytes(8 << 20), "b.log": b"2"}
    outcomes = contents(place(root, f"x{suffix}", TARS[suffix](tar(files))), SMALL)
    assert outcomes["a.log"] == b"1"
    assert outcomes["zeros.log"][0] == "raised too_large"
    assert outcomes[""][0] == "too_large"
    assert "b.log" not in outcomes


def test_many_members_each_within_its_bound(root: Path) -> None:
    """The directory of a zip may name one piece of data many times."""
    data = bytearray(zipped({"a0.log": bytes(900 << 10)}))
    directory = data.index(b"PK\x01\x02")
    entry, end = bytes(data[directory : data.index(b"PK\x05\x06")]), bytes(data[data.index(b"PK\x05\x06") :])
    entries = b"".join(entry.replace(b"a0.log", b"a%d.log" % i) for i in range(10))
    end = end[:8] + struct.pack("<HHL", 10, 10, len(entries)) + end[16:]
    found = place(root, "x.zip", bytes(data[:directory]) + entries + end)
    outcomes = contents(found, SMALL)
    assert outcomes["a0.log"] == bytes(900 << 10)
    assert outcomes[""] == ("too_large", "its members expand beyond all proportion to its size")
    assert len(outcomes) < 5


def test_a_lying_size_does_not_matter(root: Path) -> None:
    data = bytearray(zipped({"zeros.log": bytes(8 << 20)}))
    directory = data.index(b"PK\x01\x02")
    data[22:26] = data[directory + 24 : directory + 28] = struct.pack("<L", 100)
    outcomes = contents(place(root, "x.zip", bytes(data)), SMALL)
    assert outcomes["zeros.log"][0] == "raised too_large"


def test_a_declared_size_beyond_the_limit(root: Path) -> None:
    limits = Limits(max_member=1000)
    for name, data in (("x.tar", tar(FILES)), ("x.zip", zipped(FILES))):
        outcomes = contents(place(root, name, data), limits)
        assert outcomes["run/a.log"] == ("too_large", "70000 bytes")
        assert outcomes["run/b.log"] == FILES["run/b.log"]


def test_too_many_members(root: Path) -> None:
    files = {f"{i}.log": b"x" for i in range(50)}
    limits = Limits(max_members=20)
    for name, data in (("x.tar.gz", gzip.compress(tar(files))), ("x.zip", zipped(files))):
        outcomes = contents(place(root, name, data), limits)
        assert outcomes.pop("") == ("too_large", "more than 20 files in the archive")
        assert len(outcomes) == 20
    with_inner = place(root, "y.zip", zipped({"in.tar": tar(files), "z.log": b"x"}))
    outcomes = contents(with_inner, limits)
    assert outcomes["in.tar"] == outcomes[""] == ("too_large", "more than 20 files in the archive")


def test_a_directory_too_large_to_hold(root: Path) -> None:
    files = {f"{'n' * 200}{i}.log": b"" for i in range(200)}
    outcomes = contents(place(root, "x.zip", zipped(files)), Limits(max_members=20))
    assert outcomes == {"": ("too_large", "more than 20 files in the archive")}


def test_a_giant_header_in_a_tar(root: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("n" * (20 << 20)))
    ((status, reason),) = contents(place(root, "x.tgz", gzip.compress(out.getvalue()))).values()
    assert (status, reason) == ("too_large", "a tar header of 20 MiB")


def test_a_large_zip_inside_an_archive_is_not_held(root: Path) -> None:
    inner = zipped(FILES, zipfile.ZIP_STORED)
    found = place(root, "x.tar", tar({"in.zip": inner, "a.log": b"1"}))
    outcomes = contents(found, Limits(max_held=1000))
    assert outcomes["a.log"] == b"1"
    assert outcomes["in.zip"][0] == "too_large"
    assert contents(found)["in.zip!/run/a.log"] == FILES["run/a.log"]


def test_a_compressed_bomb_inside_a_tar(root: Path) -> None:
    found = place(root, "x.tar", tar({"z.log.gz": gzip.compress(bytes(8 << 20)), "a.log": b"1"}))
    outcomes = contents(found, SMALL)
    assert outcomes["z.log.gz"][0] == "raised too_large"
    assert outcomes["a.log"] == b"1"
