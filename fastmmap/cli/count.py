"""fastmmap count: how many matches there are."""

from __future__ import annotations

from ..errors import naming
from . import shared
from .files import has_prefix, label_of, search_files
from .needles import Wanted, wanted
from .options import Command, Given, inputs
from .progress import progress_of
from .sources import Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .files import Put

# More needles than these are counted with numpy.
FEW = 1000


def run(given: Given) -> int:
    """Counts in each file, and returns the status."""
    sought = wanted(given)
    if sought.is_pattern and given.overlapping:
        given.command.fail("-E and --overlapping don't go together")
    files = inputs(given)
    named = has_prefix(given, files)
    end = b"\0" if given.null else b":"

    def count_in(file: str, put: Put, threads: int | None) -> bool:
        with Source(file) as source:
            with progress_of(given, file, source.size) as told:
                numbers = counted(source, sought, {"overlapping": given.overlapping, "threads": threads}, told)
            source.leave(None)
        label = label_of(file) + end if named else b""
        for place, number in enumerate(numbers):
            put(b"%b%d%b\n" % (label, number, b"\t" + sought.needles[place] if len(numbers) > 1 else b""))
        return any(numbers)

    return search_files(given, files, count_in).number


def counted(source: Source, sought: Wanted, options: dict[str, Any], told: Any) -> list[int]:
    """How many matches each needle has; of regular expressions, all of them together."""
    needles, fold, overlapping = sought.needles, sought.ignorecase, options["overlapping"]
    if not needles:  # of an empty file of them
        return [0]
    with naming(source.name):
        if sought.is_pattern:
            from ..grepping import grep

            every = sought.pattern.findall
            found = grep(source.searchable, sought.pattern, threads=options["threads"], progress=told)
            return [sum(len(every(match.line)) for match in found)]
        if len(needles) == 1 and not overlapping and told is None and options["threads"] is None:
            number = source.count_quickly(sought)
            if number is not None:
                return [number]
        from .kernels import chosen

        if len(needles) == 1:
            return [chosen.count(source.searchable, needles[0], ignorecase=fold, progress=told, **options)]
        if source.data is not None:
            from ..many import verbs_of

            several = sought.several
            if len(needles) > FEW:
                counts = chosen.count_each(source.data, several, ignorecase=fold, progress=told, **options)
                return counts.tolist()  # type: ignore[no-any-return]
            return verbs_of(chosen.name).count_few(source.data, several, ignorecase=fold, progress=told, **options)
        return _counted_each(source, sought, overlapping, told)


def _counted_each(source: Source, sought: Wanted, overlapping: bool, told: Any) -> list[int]:
    """How many matches each of several needles has in a stream."""
    from .. import many
    from ..streams import Several, windows
    from .kernels import chosen

    several = Several(many.verbs_of(chosen.name).kernel, sought.several, overlapping, sought.ignorecase)
    numbers = [0] * len(sought.needles)
    for found in several.pairs(windows(source.readinto, several.shared)):
        for _, which in found:
            numbers[which] += 1
        if told is not None:
            told(source.searched, None)
    return numbers


COMMAND = Command(
    "count",
    "Print the number of matches",
    run,
    [shared.NEEDLE, shared.FILES],
    about="Matches don't overlap; a line may have several: grep -c counts lines. Several NEEDLEs have one number each, "
    "in the order in which they were given, with a tab and the NEEDLE behind it: of those that begin at a place the "
    "longest counts.",
    options=[*shared.NEEDLES, shared.ESCAPES, shared.IGNORE_CASE, shared.OVERLAPPING, *shared.WALKING, *shared.NAMES,
             shared.THREADS, shared.PROGRESS],
    examples=[
        ("fastmmap count ERROR app.log", "how often ERROR is in it"),
        ("fastmmap count -e ERROR -e WARN *.log", "one number each, for each file"),
        ("fastmmap count -r -g '*.log' ERROR /var/log", "in all logs of a folder and its folders"),
        (r"fastmmap count --escapes '\n' app.log", "how many newlines"),
        ("zcat app.log.gz | fastmmap count ERROR", "in what comes by a pipe"),
    ],
)  # fmt: skip
