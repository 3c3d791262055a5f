"""A batch: the work of one lane that an engine runs together."""

from dataclasses import dataclass, field
from typing import cast

from vitscope.server.engines.classes import padded
from vitscope.server.engines.contract import ClassSlot, Outputs, Slot
from vitscope.server.scheduling.lane import Lane
from vitscope.server.scheduling.work import Work


@dataclass(eq=False, slots=True)
class Batch:
    """Work of one lane in one of the engine's slots: row i of `slot.pixels` holds the pixels of work[i], and row i of
    `slot.classes`, where the graph explains classes, the ones that work[i] asks for.

    profile: index of the engine profile that the run uses. started: monotonic seconds at which the run began.
    """

    lane: Lane
    slot: Slot
    work: list[Work] = field(default_factory=list)
    profile: int = 0
    started: float = 0.0
    _bulk: int = 0

    def __len__(self) -> int:
        return len(self.work)

    @property
    def bulk(self) -> bool:
        """Whether any of it belongs to a stream."""
        return self._bulk > 0

    def add(self, work: Work) -> None:
        self.write(len(self.work), work)
        self.work.append(work)
        self._bulk += work.bulk

    def remove(self, row: int) -> Work:
        """Remove and return the work in a row. The last row moves into the gap."""
        removed, last = self.work[row], self.work.pop()
        if last is not removed:
            self.write(row, last)
            self.work[row] = last
        self._bulk -= removed.bulk
        return removed

    def write(self, row: int, work: Work) -> None:
        """Copy the pixels of work, which are C-contiguous, into a row, without releasing the GIL.

        Others wait for the dispatcher's lock meanwhile, and getting the GIL back took longer than copying 224 x 224
        pixels.
        """
        assert work.pixels is not None
        self.slot.pixels[row].data.cast("B")[:] = work.pixels.data.cast("B")
        if self.lane.explains:
            count = len(work.classes)
            classes = cast(ClassSlot, self.slot).classes[row]
            classes[:count] = work.classes
            classes[count:] = work.classes[0]  # so that every column is a class, however many a run takes

    def run(self, n: int) -> Outputs:
        """Run the first `n` rows."""
        if not self.lane.explains:
            return self.slot.run(n, self.profile)
        columns = padded(max(len(work.classes) for work in self.work))
        return cast(ClassSlot, self.slot).run(n, self.profile, columns)
