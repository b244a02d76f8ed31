"""Discovery, opening and reading again: whatever lies in a directory has an outcome."""

from __future__ import annotations

import gzip
import io
import os
import socket
import sys
from pathlib import Path

import pytest

from llmstats import streams
from llmstats.errors import InputError, NotFound, ParseError
from llmstats.sources import Found, discover, open_source, read_lines

LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 12345\n"
TEXT = b"".join(b"step %d loss: %d.25\n" % (i, i) for i in range(5000))


def names(root: Path, *inputs: Path | str, **options: object) -> list[str]:
    found = discover([str(i) for i in inputs] or [str(root)], **options)  # type: ignore[arg-type]
    return [f.path.removeprefix(f"{root}/") for f in found]


def outcome(path: Path) -> tuple[str | None, str]:
    (found,) = discover([str(path)])
    return found.status, found.reason


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory whose path holds no link."""
    return tmp_path.resolve()


# --------------------------------------------------------------------------- walking


def test_a_directory_is_walked_in_the_order_of_names(root: Path) -> None:
    for name in ("b/2.log", "b/1.log", "a.log", ".hidden/x.log", "c.log", ".git/config", "b/.git/HEAD"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert names(root) == [".hidden/x.log", "a.log", "b/1.log", "b/2.log", "c.log"]
    assert names(root, root / ".git") == [".git/config"]


def test_a_file_is_known_by_its_stat(root: Path) -> None:
    path = root / "a.log"
    path.write_bytes(b"12345")
    status = path.stat()
    expected = Found(str(path), None, "", 5, status.st_mtime_ns, status.st_ino, status.st_dev)
    assert list(discover([str(path)])) == [expected]
    assert list(discover([str(root)])) == [expected]


def test_relative_inputs_become_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "d").mkdir()
    (root / "d/a.log").write_text("x")
    monkeypatch.chdir(root)
    assert names(root, "d/../d/a.log") == ["d/a.log"]
    assert names(root, Path("d")) == ["d/a.log"]


def test_plain_files_are_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(20):
        (root / f"{i}.log").write_text("x")
    monkeypatch.setattr(os, "open", lambda *args: pytest.fail("opened"))
    assert len(names(root)) == 20


def test_overlapping_inputs_give_each_file_once(root: Path) -> None:
    (root / "d").mkdir()
    (root / "d/a.log").write_text("x")
    (root / "b.log").write_text("x")
    assert names(root, root / "d/a.log", root / "d", root, root / "d/*.log") == ["d/a.log", "b.log"]


def test_skipped_paths_are_left_out(root: Path) -> None:
    for name in ("a.log", "x.duckdb", "x.duckdb.wal"):
        (root / name).write_text("x")
    assert names(root, skip={f"{root}/x.duckdb", f"{root}/x.duckdb.wal"}) == ["a.log"]
    assert names(root, root / "x.duckdb", skip=[f"{root}/x.duckdb"]) == []


def test_a_very_deep_tree(root: Path) -> None:
    levels = [f"{root}/" + "d/" * depth for depth in range(1, 1201)]
    for level in levels:
        os.mkdir(level)
    Path(levels[-1], "a.log").write_text("x")
    found = names(root)
    os.unlink(levels[-1] + "a.log")
    for level in reversed(levels):  # pytest cannot clean up a tree as deep as this
        os.rmdir(level)
    assert found == ["d/" * 1200 + "a.log"]


# --------------------------------------------------------------------------- links


def test_a_link_gives_way_to_the_file_itself(root: Path) -> None:
    (root / "z").mkdir()
    (root / "z/real.log").write_text("x")
    (root / "a.log").symlink_to("z/real.log")
    (root / "latest").symlink_to("z")
    assert names(root) == ["z/real.log"]
    assert names(root, root / "a.log") == ["a.log"]
    assert names(root, root / "a.log", root / "z") == ["z/real.log"]
    assert names(root, root / "latest") == ["latest/real.log"]


def test_links_that_lead_out_are_followed_last(root: Path) -> None:
    (root / "in").mkdir()
    (root / "out/deep").mkdir(parents=True)
    (root / "out/deep/o.log").write_text("x")
    (root / "in/a").symlink_to(root / "out")
    (root / "in/b.log").write_text("x")
    assert names(root, root / "in") == ["in/b.log", "in/a/deep/o.log"]


def test_link_loops_have_an_outcome(root: Path) -> None:
    (root / "d/e").mkdir(parents=True)
    (root / "d/e/up").symlink_to("..")
    (root / "d/self").symlink_to("self")
    (root / "d/gone").symlink_to("nowhere")
    (root / "d/a.log").write_text("x")
    found = {f.path.removeprefix(f"{root}/"): (f.status, f.reason) for f in discover([str(root / "d")])}
    assert found == {
        "d/a.log": (None, ""),
        "d/e/up": ("unsupported", f"symbolic link loop (leads back to {root}/d)"),
        "d/self": ("unsupported", "symbolic link loop"),
        "d/gone": ("unsupported", "broken symbolic link (to nowhere)"),
    }


def test_links_in_a_circle_end(root: Path) -> None:
    for here, there in (("x", "y"), ("y", "x")):
        (root / here).mkdir()
        (root / here / "log").write_text(here)
        (root / here / "other").symlink_to(root / there)
    assert names(root, root / "x") == ["x/log", "x/other/log", "x/other/other"]
    assert names(root, root / "**" / "log") == ["x/log", "y/log"]


# --------------------------------------------------------------------------- what is no readable file


def test_fifos_sockets_and_devices(root: Path) -> None:
    os.mkfifo(root / "pipe.log")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
        found = [(Path(f.path).name, f.status, f.reason) for f in discover([str(root), "/dev/zero"])]
    assert found == [
        ("pipe.log", "unsupported", "a FIFO"),
        ("socket", "unsupported", "a socket"),
        ("zero", "unsupported", "a character device"),
    ]


def test_opening_a_fifo_does_not_hang(root: Path) -> None:
    os.mkfifo(root / "pipe.log")
    for path, reason in (
        (root / "pipe.log", "a FIFO"),
        (Path("/dev/zero"), "a character device"),
        (root, "a directory"),
    ):
        with pytest.raises(ParseError, match=reason):
            open_source(Found(str(path)))


def test_an_empty_file(root: Path) -> None:
    (root / "a.log").touch()
    (root / "a.tar.gz").touch()
    assert [f.status for f in discover([str(root)])] == ["empty", "empty"]


def test_a_name_that_is_no_text(root: Path) -> None:
    os.close(os.open(os.fsencode(root) + b"/\xd6\xd0.log", os.O_CREAT | os.O_WRONLY))
    (found,) = discover([str(root)])
    assert (found.path, found.status) == (f"{root}/\\xd6\\xd0.log", "unsupported")
    assert "not UTF-8" in found.reason


def test_an_lfs_pointer_in_place_of_an_archive(root: Path) -> None:
    for name in ("a.tar.gz", "b.zip", "c.log.gz"):
        (root / name).write_text(LFS)
        assert outcome(root / name) == ("unsupported", "Git LFS pointer")


def test_an_unreadable_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "d").mkdir()
    (root / "a.log").write_text("x")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("/d"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = [(f.path, f.status, f.reason) for f in discover([str(root)])]
    assert found == [(f"{root}/a.log", None, ""), (f"{root}/d", "failed", "permission denied")]


def test_an_unreadable_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = root / "a.log"
    path.write_text("x")

    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ParseError, match="permission denied"):
        open_source(Found(str(path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(root: Path) -> None:
    path = root / "a.log"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(ParseError, match="permission denied"):
        open_source(Found(str(path)))


def test_a_file_that_went_away(root: Path) -> None:
    with pytest.raises(ParseError, match="the file is gone"):
        open_source(Found(str(root / "a.log")))


# --------------------------------------------------------------------------- inputs


def test_a_wrong_path_says_what_is_near(root: Path) -> None:
    (root / "work_dirs").mkdir()
    with pytest.raises(NotFound, match=r"named 'work_dir'; did you mean 'work_dirs'\?"):
        discover([str(root / "work_dir")])
    with pytest.raises(NotFound, match=rf"in {root} named 'workdirs'; did you mean 'work_dirs'\?"):
        discover([str(root / "workdirs/toy/a.log")])


def test_inputs_are_checked_before_anything_is_read(root: Path) -> None:
    (root / "a.log").write_text("x")
    with pytest.raises(NotFound):
        discover([str(root / "a.log"), str(root / "b.log")])


@pytest.mark.parametrize("given", ["", "a\0b"])
def test_no_path_at_all(given: str) -> None:
    with pytest.raises(InputError):
        discover([given])


def test_globs(root: Path) -> None:
    for name in ("a1.log", "a2.log", "b.txt", "d/a3.log", "d/e/a4.log", ".git/a5.log", "a[1].log"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert names(root, f"{root}/a?.log") == ["a1.log", "a2.log"]
    assert names(root, f"{root}/**/a*.log") == ["a1.log", "a2.log", "a[1].log", "d/a3.log", "d/e/a4.log"]
    assert names(root, f"{root}/*/e") == ["d/e/a4.log"]
    assert names(root, f"{root}/d/**") == ["d/a3.log", "d/e/a4.log"]
    assert names(root, f"{root}/a[1].log") == ["a[1].log"]  # such a file exists
    assert names(root, f"{root}/a[2].log") == ["a2.log"]
    with pytest.raises(NotFound, match="no file matches"):
        discover([f"{root}/*.json"])


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(discover(["-"])) == [Found("-")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    with open_source(Found("-")) as reader:
        assert not reader.growing
        assert reader.read(10) == TEXT[:10]
        assert reader.read(1 << 20) == TEXT[10:]
        assert reader.read(10) == b""
    with pytest.raises(InputError, match="standard input is not re-readable"):
        read_lines("-", 1, 1)


# --------------------------------------------------------------------------- opening


def test_a_plain_file_can_grow_and_be_read_from_anywhere(root: Path) -> None:
    path = root / "a.log"
    path.write_bytes(TEXT)
    with open_source(Found(str(path)), offset=100) as reader:
        assert reader.growing
        assert reader.read(50) == TEXT[100:150]
        assert reader.consumed == 150
        assert reader.read(1 << 20) == TEXT[150:]
        assert reader.read(1) == b""
        with path.open("ab") as file:
            file.write(b"more")
        assert reader.read(10) == b"more"


# --------------------------------------------------------------------------- lines again


def test_lines_of_a_plain_file(root: Path) -> None:
    path = root / "a.log"
    path.write_bytes(b"one\r\n\x1b[31mtwo\x1b[0m\n 1%\r 2%\nfour")
    assert read_lines(str(path), 1, 2) == ["one", "two"]
    assert read_lines(Found(str(path)), 3, 4) == [" 1%\r 2%", "four"]
    assert read_lines(str(path), 4, 9) == ["four"]
    assert read_lines(str(path), 7, 9) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_lines_deep_in_a_file_of_any_encoding(
    root: Path, encoding: str, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llmstats import sources

    monkeypatch.setattr(sources, "_CHUNK", 1000)
    lines = [f"第{i}行 损失：{i}" for i in range(1, 2001)]
    raw = "\n".join(lines).encode(encoding)
    path = root / f"a.log{suffix}"
    path.write_bytes(gzip.compress(raw) if suffix else raw)
    for first, last in ((1, 1), (2, 3), (999, 1100), (2000, 2000)):
        assert read_lines(str(path), first, last) == lines[first - 1 : last]


def test_lines_of_a_file_that_is_gone(root: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*a\.log again: the file is gone"):
        read_lines(str(root / "a.log"), 1, 1)


def test_a_read_error_is_explained(root: Path) -> None:
    path = root / "a.log"
    path.write_text("x")
    with streams.open_plain(str(path)) as file:
        os.dup2(os.open(root, os.O_RDONLY), file.fileno())  # the descriptor is a directory's now: reading fails
        with pytest.raises(ParseError, match="is a directory"):
            file.read(10)
