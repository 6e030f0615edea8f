"""What a disk was told, and what may be on it after a cut of its power.

The log is QEMU's driver blklogwrites', in the format of dm-log-writes (drivers/md/dm-log-writes.c): a sector with its
size, then for each entry a sector that tells it and the sectors that were written.
"""

import struct
from dataclasses import dataclass

MAGIC = 0x6A736677736872
FLUSH, DISCARD = 1, 4
SECTOR = 512
# How many writes of one stretch between two flushes are dropped and kept singly.
SINGLY = 16


@dataclass(frozen=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True)
class Mark:
    """What the guest had been promised by now: `created ID`, or `deleting` options and an id."""

    words: tuple


class Flush:
    """All that was written before is on the disk."""


def read(path, marks_from):
    """The entries of the log at `path`; what is written at `marks_from` bytes and behind it are marks."""
    with open(path, "rb") as file:
        log = file.read()
    magic, version, count, size = struct.unpack_from("<QQQI", log)
    if (magic, version) != (MAGIC, 1):
        raise ValueError(f"{path} is no log of writes of version 1")
    entries, position = [], size
    for _ in range(count):
        sector, sectors, flags, _ = struct.unpack_from("<QQQQ", log, position)
        position += size
        if flags & DISCARD:
            raise ValueError("a discard, which this knows nothing of")
        data = log[position : position + sectors * size]
        if len(data) != sectors * size:
            raise ValueError("the log ends in the middle of a write")
        position += len(data)
        # A write that is flagged so is flushed after what was before it.
        if flags & FLUSH:
            entries.append(Flush())
        if not data:
            continue
        offset = sector * size
        if offset >= marks_from:
            word, *words = data.split(b"\n")[0].decode().split()
            assert word == "mark", word
            entries.append(Mark(tuple(words)))
        else:
            entries.append(Write(offset, data))
    return entries


@dataclass(frozen=True)
class Cut:
    """A disk as a cut may leave it: `kind` of cut, at `entry` of the log, with `pending` written over what was flushed
    by then, and the ids of the containers that must be there."""

    kind: str
    entry: int
    flushed: bytearray
    pending: tuple
    promised: frozenset

    def image(self):
        image = bytearray(self.flushed)
        for write in self.pending:
            image[write.offset : write.offset + len(write.data)] = write.data
        return image


def cuts(image, entries, thorough=True):
    """Every disk that a cut may leave, from the `image` before the first entry on: after each write, and, if it is to
    be `thorough`, within a write of several sectors, and with each write that no flush had followed missing alone or
    there alone. `flushed` of a cut is good until the next one is asked for."""
    flushed, pending, promised = bytearray(image), [], set()
    yield Cut("before", 0, flushed, (), frozenset())
    for number, entry in enumerate(entries):
        now = frozenset(promised)
        if isinstance(entry, Write):
            if thorough and len(entry.data) > SECTOR:
                half = len(entry.data) // 2 // SECTOR * SECTOR
                yield Cut("torn", number, flushed, (*pending, Write(entry.offset, entry.data[:half])), now)
            pending.append(entry)
            yield Cut("after", number, flushed, tuple(pending), now)
        elif isinstance(entry, Mark):
            promise(promised, entry.words)
        else:
            if thorough and len(pending) > 1:
                yield from singly(number, flushed, pending, now)
            for write in pending:
                flushed[write.offset : write.offset + len(write.data)] = write.data
            pending.clear()


def singly(number, flushed, pending, promised):
    """Disks that wrote what they had been given in an order of their own. Those without the last and with the first
    alone were there before."""
    for index in range(min(len(pending) - 1, SINGLY)):
        yield Cut("without one", number, flushed, (*pending[:index], *pending[index + 1 :]), promised)
    for index in range(1, min(len(pending), SINGLY + 1)):
        yield Cut("one alone", number, flushed, (pending[index],), promised)


def promise(promised, words):
    """A container is there from the end of its create to the begin of its delete."""
    match words:
        case ("created", id_):
            promised.add(id_)
        case ("deleting", *_, id_):
            promised.discard(id_)
