"""The steps of an edit in place. After each, and in the midst of each, the journal tells how to go on.

A step whose bytes go where its own source isn't leaves that source whole: the bytes are written, then a slot says so.
Where they would overwrite what they are made of, a slot has them first. It is written, then the bytes. So a step is
done again after a kill, from its source or from the slot, and to do it twice is to do it once.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections import deque
from typing import TYPE_CHECKING

from .. import parallel, system
from .._backend import check_wanted, run
from ..blame import ignoring
from ..descriptors import Held
from ..progress import Reporter
from .journal import NOTHING, SLOT_HEAD, Journal, Kind, Phase, Redo, State
from .model import Edit, Part
from .positions import Positions
from .sparse import write_data
from .writing import BLOCK, CHANGED, placed, write_parts

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from ..progress import Progress

# What one step reads at most where its source stays whole: much is lost by a kill otherwise.
STEP = 1 << 26

# Where what is written is at least so far from what is read, steps as short as that are taken; else bytes go to the
# journal first. A step that waits for the disk takes longer, and is to be longer.
NEAR, NEAR_DURABLE = 1 << 18, 1 << 22

# How many bytes beside a step are compared before an edit is gone on with.
SAMPLE = 4096


class Steps:
    """An edit in place on its way: a file, its journal, and how far it is."""

    def __init__(self, file: Held, journal: Journal, edit: Edit, threads: int, progress: Progress | None) -> None:
        self.journal, self.edit, self.threads = journal, edit, threads
        self.state = State(Phase.EDIT, 0, 0, -1, 0)
        self.path = journal.plan.path  # or where the file is now
        self.patches = edit.matching.keeps_lengths
        self.is_cut = False
        self._mode = os.fstat(file.fd).st_mode
        self.hole = 0  # the length of a block of zeros that is made a hole; 0: none is
        self._file = file  # which a forked child has closed: it must not go on
        plan = journal.plan
        if plan.holes:
            self.hole = system.block_size(os.fstat(file.fd))
        total = (plan.old_size - plan.start) * (2 if plan.growth else 1)
        self._reporter = None if progress is None else Reporter(progress, total)

    @property
    def _fd(self) -> int:
        return self._file.fd

    @property
    def _near(self) -> int:
        return NEAR_DURABLE if self.journal.durable else NEAR

    def keep_mode(self) -> None:
        """Gives the file back what sets the user or group, which writing has taken away: where this process saw it."""
        now = os.fstat(self._fd).st_mode
        lost = self._mode & ~now & 0o6000
        if lost and self._mode & 0o1777 == now & 0o1777:
            with ignoring(OSError):
                system.set_mode(self._fd, (now | lost) & 0o7777)

    def begin(self) -> None:
        """Writes the first slot."""
        plan = self.journal.plan
        left = plan.most
        if self.patches:
            state = State(Phase.PATCH, plan.start, plan.start, left, 0)
        elif plan.growth:
            state = State(Phase.SHIFT, plan.old_size, plan.old_size, left, 0)
        else:
            state = State(Phase.EDIT, plan.start, plan.start, left, 0)
        self.state = state
        self.journal.put(state, NOTHING, self._samples(state, NOTHING))

    # --- what a step is made of ---

    def commit(self, state: State, redo: Redo = NOTHING) -> None:
        """Writes a slot: what was before is done, but for what it says itself."""
        self.check_size()
        self.journal.put(state, redo, self._samples(state, redo))
        before, self.state = self.state, state
        if self._reporter is not None and before.phase == state.phase:
            self._reporter.add(abs(state.position - before.position))

    def write(self, data: memoryview, at: int) -> None:
        """Writes to the file, unless that would make it longer: somebody else has cut it then."""
        self.check_size()
        if self.hole:
            write_data(self._fd, data, at, self.hole, clears=True)
        else:
            system.write_at(self._fd, data, at)
        if self.journal.durable:
            system.start_writeback(self._fd, at, len(data))  # so that there is less to wait for

    def sync(self) -> None:
        """What was written is on the disk before what comes next, where that is asked for."""
        if self.journal.durable:
            system.make_durable(self._fd)

    def check_size(self) -> None:
        """OSError where another process has changed the file's size: its bytes aren't where they would be."""
        size, expected = os.fstat(self._fd).st_size, self.journal.plan.full_size
        if size != expected:
            text = f"Another process has changed the file's size while it was edited, from {expected} to {size} bytes"
            raise OSError(errno.EBUSY, text)

    def _samples(self, state: State, redo: Redo) -> tuple[int, int]:
        """Checksums of what is edited just before a step, and of what is to be read, or cut off, just behind it."""
        plan = self.journal.plan
        if state.phase is Phase.SHIFT:
            moved = redo.at + redo.length if redo.kind else state.position + plan.growth
            places = (moved, moved + SAMPLE), (state.position - SAMPLE, state.position)
        else:
            place = redo.at if redo.kind else state.place
            ahead = state.place if state.phase is Phase.CUT else state.position
            places = (place - SAMPLE, place), (ahead, ahead + SAMPLE)
        done, ahead = (self._checksum(max(low, 0), min(high, plan.full_size)) for low, high in places)
        return done, ahead

    def _checksum(self, low: int, high: int) -> int:
        """Adler's: a slot has its own sum by CRC, in which those of neighbouring bytes by CRC can cancel each other."""
        return zlib.adler32(system.read_at(self._fd, high - low, low)) if low < high else 0

    # --- what was left ---

    def resume(self) -> None:
        """Takes up what a journal says: does again what may have been done in part.

        A slot that is read back may not be on the disk yet, nor what was written before it: it is, before more is done.
        """
        if self.journal.durable:
            self.journal.make_durable()
            system.make_durable(self._fd)
        self.state, redo, samples = self.journal.newest()
        if self.state.phase is Phase.CUT:
            self.is_cut = self._is_cut(samples)
            return
        self._check_size_of_then()
        if self._samples(self.state, redo) != samples:
            text = f"its bytes about {self.state.place} or {self.state.position} have changed"
            raise mismatch(self.journal.path, text)
        if redo.kind is Kind.BYTES:
            self.write(memoryview(redo.data), redo.at)
        elif redo.kind is Kind.POSITIONS:
            positions = Positions.decoded(redo, self.edit.matching.all_pairs)
            if positions.end > self.journal.plan.full_size:
                raise mismatch(self.journal.path, "it has matches behind the file's end")
            for at, new in positions.replacements():
                check_wanted()
                system.write_at(self._fd, new, at)
        if redo.kind:
            self.sync()

    def _is_cut(self, samples: tuple[int, int]) -> bool:
        """Whether a file that was edited was cut as well. What others have appended since stays."""
        done, ahead = self._samples(self.state, NOTHING)
        size, full = os.fstat(self._fd).st_size, self.journal.plan.full_size
        if size != full or self.state.place == full or ahead != samples[1]:
            return True
        if done != samples[0]:
            raise mismatch(self.journal.path, f"its bytes before {self.state.place} have changed")
        return False

    def _check_size_of_then(self) -> None:
        """OSError where the file hasn't the size that it had."""
        plan, size = self.journal.plan, os.fstat(self._fd).st_size
        expected = plan.full_size
        if size == expected:
            return
        begins = self.state.phase is Phase.SHIFT and self.state.position == plan.old_size
        if begins and plan.old_size <= size < expected:
            added = system.read_at(self._fd, size - plan.old_size, plan.old_size)
            if added == bytes(len(added)):
                return  # it was on its way to become longer
            expected = plan.old_size
        text = f"the file has {size} bytes, and had {expected} when the edit was left"
        if size > expected:
            text += f". Keep what was added, from byte {expected} on, cut the file there (truncate -s), and try again"
        raise mismatch(self.journal.path, text)

    # --- up ---

    def shift(self) -> None:
        """Moves the source up, the last bytes first."""
        plan = self.journal.plan
        while self.state.position > plan.start:
            end = self.state.position
            if plan.growth >= self._near:
                low = max(plan.start, end - min(plan.growth, STEP))
                self._copy_up(low, end)
                self.sync()
                self.commit(self.state._replace(position=low))
            else:
                low = max(plan.start, end - self.journal.plan.room)
                data = self.journal.block[SLOT_HEAD : SLOT_HEAD + end - low]
                self._read(data, low)
                redo = Redo(Kind.BYTES, low + plan.growth, len(data))
                self.commit(self.state._replace(position=low), redo)
                self.write(data, redo.at)
                self.sync()
            check_wanted()

    def _copy_up(self, low: int, high: int) -> None:
        """Copies bytes to where none of them is."""
        growth = self.journal.plan.growth

        def copy(start: int, end: int) -> None:
            block = memoryview(bytearray(min(BLOCK, end - start)))
            while start < end:
                check_wanted()
                data = block[: end - start]
                self._read(data, start)
                self.write(data, start + growth)
                start += len(data)

        parts = parallel.ranges(low, high, max(min(4 * self.threads, (high - low) // BLOCK), 1))
        run(copy, parts, self.threads)

    def _read(self, block: memoryview, at: int) -> None:
        if system.read_into(self._fd, block, at) != len(block):
            self.check_size()
            raise OSError(errno.EBUSY, CHANGED)

    # --- down ---

    def edit_forwards(self, source: MappedFile, parts: list[Part]) -> None:
        """Edits the source from its start on, and moves it down. Parts behind the last match may be in their place."""
        last = max((number for number, part in enumerate(parts) if part.number), default=-1)
        first = 0
        while first < len(parts):
            gap = self.state.position - self.state.place
            if gap == 0:
                first = self._skip(parts, first, last)
                if first == len(parts):
                    break
            end, room = first, gap
            while end < len(parts) and parts[end].new_length <= room and parts[end].end - parts[first].start <= STEP:
                room -= parts[end].new_length
                end += 1
            if end > first:
                self._edit_apart(source, parts[first:end])
            else:
                end = first + 1
                self._edit_near(source, parts[first])
            first = end

    def _skip(self, parts: list[Part], first: int, last: int) -> int:
        """Goes past parts that are in their place already, without a match. Returns the number of the next one."""
        after = first
        while after < len(parts) and (after > last or not parts[after].number):
            after += 1
        if after > first:
            end = parts[after - 1].end
            self.commit(self.state._replace(position=end, place=end))
        return after

    def _edit_apart(self, source: MappedFile, parts: list[Part]) -> None:
        """Edits parts that go to where none of them is."""
        places = placed(_merged(parts, 4 * self.threads), self.state.place)
        write_parts(source, self.edit, places, self.threads, self.write)
        self.sync()
        written, replaced = sum(part.new_length for part in parts), sum(part.number for part in parts)
        self.commit(self._after(parts[-1].end, written, replaced))

    def _edit_near(self, source: MappedFile, part: Part) -> None:
        """Edits a part that goes to where it is itself, in pieces: those that don't overlap are written at once."""
        matching, block = self.edit.matching, self.journal.block[SLOT_HEAD:]
        before = self.state.replaced
        with matching.substitution(source, part.start, part.end, part.number) as pieces:
            while True:
                check_wanted()
                state = self.state
                gap = state.position - state.place
                apart = gap >= max(self._near, matching.longest_new)
                filled = pieces.readinto(block[:gap] if apart else block)
                after = self._after(pieces.consumed, filled, before + pieces.replaced - state.replaced)
                if after == state:
                    break
                if after.place > after.position:
                    raise OSError(errno.EBUSY, CHANGED)
                if apart:
                    self.write(block[:filled], state.place)
                    self.sync()
                    self.commit(after)
                else:
                    self.commit(after, Redo(Kind.BYTES, state.place, filled))
                    self.write(block[:filled], state.place)
                    self.sync()
            if pieces.replaced != part.number or self.state.position != part.end:
                raise OSError(errno.EBUSY, CHANGED)

    def _after(self, position: int, written: int, replaced: int) -> State:
        """The state behind a step."""
        state = self.state
        left = state.left - replaced if state.left >= 0 else -1
        return State(state.phase, position, state.place + written, left, state.replaced + replaced)

    # --- where it is ---

    def patch(self, source: MappedFile, parts: list[Part]) -> None:
        """Replaces matches by what is as long.

        The journal has their positions: they couldn't be found again where some are half replaced.
        """
        waiting = deque(part for part in parts if part.number)
        most = self.journal.plan.room // Positions.LONGEST
        while waiting:
            check_wanted()
            group: list[Part] = []
            left = most
            while waiting and waiting[0].number <= left and waiting[0].end - (group or waiting)[0].start <= STEP:
                left -= waiting[0].number
                group.append(waiting.popleft())
            if not group:
                group = [waiting.popleft()]
            positions = Positions.found(source, self.edit.matching, group, most, self.threads)
            if positions.count < sum(part.number for part in group):
                if positions.count < most:
                    raise OSError(errno.EBUSY, CHANGED)
                whole = group.pop()  # it has more than a slot has room for
                group = [Part(whole.start, positions.end, most, 0)]
                waiting.appendleft(Part(positions.end, whole.end, whole.number - most, 0))
            self._patch_group(source, group, positions)

    def _patch_group(self, source: MappedFile, group: list[Part], positions: Positions) -> None:
        start, end = group[0].start, group[-1].end
        redo = positions.encoded_into(self.journal.block[SLOT_HEAD:], start)
        self.commit(self._after(end, end - self.state.place, positions.count), redo)

        def put(data: memoryview, at: int) -> None:
            for low, high in positions.runs(at, at + len(data)):
                self.write(data[low - at : high - at], low)

        merged = _merged(group, 4 * self.threads)
        write_parts(source, self.edit, [(part, part.start) for part in merged], self.threads, put)
        self.sync()

    # --- the end ---

    def end(self) -> None:
        """Tells that all is done."""
        if self._reporter is not None:
            self._reporter.end()


def mismatch(journal: str, text: str) -> OSError:
    """The error for a file that isn't what its journal says: nothing is touched."""
    text = f"The file isn't what the journal {journal!r} says: {text}. To give the edit up, remove the journal"
    return OSError(errno.ESTALE, text)


def _merged(parts: list[Part], most: int) -> list[Part]:
    """Parts put together with their neighbours, until there are at most so many."""
    each = -(-len(parts) // most)
    groups = [parts[at : at + each] for at in range(0, len(parts), each)]
    return [
        Part(group[0].start, group[-1].end, sum(part.number for part in group), sum(part.grown for part in group))
        for group in groups
    ]
