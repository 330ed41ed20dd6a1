"""Reading documents, and the datasets that the project ships."""

import string

import pytest

from bench.workload import data
from bench.workload.config import WorkloadError


def read(tmp_path, raw):
    path = tmp_path / "documents.txt"
    path.write_bytes(raw)
    return data.read_documents(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"anna\nbob\n",
        b"anna\nbob",
        b"anna\r\nbob\r\n",
        b"\n\nanna\n\n \nbob\n\n",
        b"\xef\xbb\xbfanna\nbob\n",
        b"  anna \n\tbob\n",
    ],
)
def test_line_ends_and_blank_lines(tmp_path, raw):
    assert read(tmp_path, raw) == ["anna", "bob"]


def test_letters_beyond_ascii(tmp_path):
    assert read(tmp_path, "zoë\nøystein\n李\n".encode()) == ["zoë", "øystein", "李"]


@pytest.mark.parametrize(
    "raw, message", [(b"", "no documents"), (b"\n \n", "no documents"), (b"ok\n\xff\xfe", "not UTF-8 .byte 3 is 0xff")]
)
def test_what_cannot_be_read(tmp_path, raw, message):
    with pytest.raises(WorkloadError, match=message):
        read(tmp_path, raw)


def test_a_missing_file(tmp_path):
    with pytest.raises(WorkloadError, match=r"cannot read the dataset .*No such file"):
        data.read_documents(tmp_path / "nothing.txt")


def test_the_embedded_default():
    names = data.read_documents(data.path_of(data.DEFAULT))
    assert len(names) >= 1000
    assert len(set(names)) == len(names)
    assert set("".join(names)) == set(string.ascii_lowercase)


@pytest.mark.parametrize("name", data.embedded())
def test_embedded_datasets_are_clean(name):
    path = data.path_of(name)
    lines = path.read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""  # ends in a newline
    assert lines == data.read_documents(path)
    assert len(set(lines)) == len(lines) >= 150
    assert lines == sorted(lines)
