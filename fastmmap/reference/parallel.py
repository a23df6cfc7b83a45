"""run, the parts of a large call, and check_wanted: the definition. One thread does it all."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def run(
    work: Callable[..., Any],
    parts: Sequence[tuple[Any, ...]],
    threads: int,
    enough: Callable[[Any], bool] | None = None,
    buffer: Any = None,
) -> list[Any]:
    """work(*part) for each part, by the calling thread and others; the results in order.

    Parts are begun in order. After a result that is enough no later part is begun, and the list ends with it. An
    error, or an interrupt, stops all threads after their block, and is raised when none of them runs any more: the
    first part's, where there are several. With a buffer, work(view, *part), where each thread has a view of its own.
    """
    results = []
    for i in range(len(parts)):
        results.append(work(*parts[i]) if buffer is None else work(buffer, *parts[i]))
        if enough is not None and enough(results[-1]):
            break
    return results


def check_wanted() -> None:
    """What long work of a part calls now and then: it ends the part where an error or an interrupt made it useless."""
