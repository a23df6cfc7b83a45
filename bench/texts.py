"""Structured text as programs and people write it: what most searches are really made in.

Each kind is half a MiB of lines that differ, made from a seed. Such text is harder to search than prose or random
bytes: names of fields, dates and prefixes come in every line, so much of a needle is nearly everywhere.

Only `random`, `getrandbits`, `randrange`, `randint` and `choice` are asked of a generator of random numbers: these give
the same on every Python. Dates are written by numbers alone, because names of months depend on the locale.
"""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

SIZE = 1 << 19

# The most frequent words come first.
WORDS: dict[str, list[str]] = json.loads((Path(__file__).parent / "words.json").read_text(encoding="utf-8"))
NOUNS, VERBS, NAMES = (WORDS[kind] for kind in ("nouns", "verbs", "names"))
RUSSIAN, CHINESE = WORDS["russian"], WORDS["chinese"]
HOSTS = [f"{role}-{number:02}" for number in range(1, 7) for role in ("web", "db", "cache", "worker")]
LEVELS = ("info", "info", "info", "debug", "warn", "error")
METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
STATUSES = (200, 200, 200, 301, 304, 404, 500)
EVENTS = ("started", "finished", "timed out", "was retried", "refused", "has no such key", "took too long")


def often(rng: random.Random, items: Sequence[str]) -> str:
    """One of the items, more likely one of the first: what is written is never evenly spread."""
    chance = rng.random()
    return items[int(len(items) * chance * chance)]


def moments(rng: random.Random, most: int) -> Iterator[datetime.datetime]:
    """Times of a day in March that rise by up to `most` milliseconds."""
    moment = datetime.datetime(2026, 3, 1, 8)
    while True:
        moment += datetime.timedelta(milliseconds=rng.randint(1, most))
        yield moment


def hexadecimal(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def address(rng: random.Random) -> str:
    """An IP address, of one of a few networks."""
    return f"{rng.choice(('10.0', '10.1', '192.168', '172.16'))}.{rng.randrange(32)}.{rng.randrange(1, 255)}"


def path(rng: random.Random) -> str:
    return f"/api/v{rng.randint(1, 3)}/{often(rng, NOUNS)}s/{rng.randrange(100_000)}"


def event(rng: random.Random) -> str:
    return f"{rng.choice(VERBS)} {often(rng, NOUNS)} {often(rng, EVENTS)}"


# --- logs and tables ---


def json_lines(rng: random.Random) -> Iterator[str]:
    for moment in moments(rng, 4000):
        fields = {
            "time": moment.isoformat(timespec="milliseconds") + "Z",
            "level": rng.choice(LEVELS),
            "service": often(rng, NOUNS),
            "host": often(rng, HOSTS),
            "request_id": hexadecimal(rng, 16),
            "user": {"id": rng.randrange(10_000), "name": often(rng, NAMES)},
            "path": path(rng),
            "status": rng.choice(STATUSES),
            "duration_ms": rng.randrange(20_000) / 10,
            "message": event(rng),
        }
        yield json.dumps(fields) + "\n"


def key_value(rng: random.Random) -> Iterator[str]:
    for moment in moments(rng, 3000):
        yield (
            f"ts={moment.isoformat(timespec='milliseconds')}Z level={rng.choice(LEVELS)} caller={often(rng, NOUNS)}.go:"
            f"{rng.randrange(20, 900)} trace={hexadecimal(rng, 12)} user={often(rng, NAMES)} peer={address(rng)} "
            f'method={rng.choice(METHODS)} bytes={rng.randrange(1 << 16)} msg="{event(rng)}"\n'
        )


def syslog(rng: random.Random) -> Iterator[str]:
    for moment in moments(rng, 9000):
        name, port = often(rng, NAMES), rng.randrange(1024, 65_536)
        tag, said = rng.choice((
            (f"sshd[{rng.randrange(30_000)}]", f"Failed password for {name} from {address(rng)} port {port} ssh2"),
            (f"sshd[{rng.randrange(30_000)}]", f"Accepted publickey for {name} from {address(rng)} port {port} ssh2"),
            (f"CRON[{rng.randrange(30_000)}]", f"({name}) CMD (/usr/lib/{often(rng, NOUNS)}/run-{rng.choice(VERBS)})"),
            ("systemd[1]", f"Started {often(rng, NOUNS)}-{rng.choice(VERBS)}.service."),
            ("kernel", f"[{rng.randrange(10**6):6}.{rng.randrange(10**6):06}] eth0: dropped packet, len={port}"),
        ))  # fmt: skip
        yield f"Mar {moment.day:2} {moment:%H:%M:%S} {often(rng, HOSTS)} {tag}: {said}\n"


def access_log(rng: random.Random) -> Iterator[str]:
    agents = [
        f"Mozilla/5.0 ({system}) {engine}"
        for system in ("Windows NT 10.0; Win64; x64", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10_15_7")
        for engine in ("AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                       "Gecko/20100101 Firefox/127.0")
    ]  # fmt: skip
    for moment in moments(rng, 2000):
        referrer = rng.choice(("-", f"https://www.example.com/{often(rng, NOUNS)}?id={rng.randrange(10_000)}"))
        yield (
            f"{address(rng)} - {rng.choice(('-', often(rng, NAMES)))} [{moment.day:02}/Mar/{moment.year}:"
            f'{moment:%H:%M:%S} +0000] "{rng.choice(METHODS)} {path(rng)} HTTP/1.1" {rng.choice(STATUSES)} '
            f'{rng.randrange(1 << 16)} "{referrer}" "{often(rng, agents)}"\n'
        )


def csv(rng: random.Random) -> Iterator[str]:
    yield "id,date,customer,email,product,quantity,price,currency,note\n"
    for number, moment in enumerate(moments(rng, 60_000), 100_001):
        name = often(rng, NAMES)
        yield (
            f'{number},{moment.date()},"{rng.choice(NAMES).title()}, {name.title()}",{name}{rng.randrange(100)}'
            f"@example.com,{often(rng, NOUNS).upper()}-{rng.randrange(10_000):04},{rng.randint(1, 9)},"
            f'{rng.randrange(100_000) / 100:.2f},{rng.choice(("EUR", "EUR", "USD", "GBP"))},"{event(rng)}"\n'
        )


def sql(rng: random.Random) -> Iterator[str]:
    for number, moment in enumerate(moments(rng, 60_000), 1):
        yield (
            "INSERT INTO `orders` (`id`, `created_at`, `customer`, `status`, `total`, `note`) VALUES "
            f"({number}, '{moment.isoformat(' ', 'seconds')}', {rng.randrange(10_000)}, "
            f"'{rng.choice(('open', 'paid', 'paid', 'sent', 'cancelled'))}', {rng.randrange(100_000) / 100:.2f}, "
            f"{rng.choice(('NULL', chr(39) + event(rng) + chr(39)))});\n"
        )


def fastq(rng: random.Random) -> Iterator[str]:
    """Reads of a sequencer. Their quality falls towards the end, and has the four values of newer machines."""
    number = 0
    while True:
        number += rng.randint(1, 40)
        place = f"1:{1101 + number // 4000}:{rng.randrange(1000, 32_000)}:{1000 + number % 4000 * 8}"
        bases = "".join("ACGT"[rng.getrandbits(2)] for _ in range(100))
        qualities = "".join("F:F,FFIIIIIIIIII"[min(15, rng.randrange(4 + (160 - i) // 4))] for i in range(100))
        yield f"@A00123:57:HFWV2DSXX:{place} 1:N:0:ACGTTGCA\n{bases}\n+\n{qualities}\n"


# --- source code ---

FUNCTIONS = [
    Template(body)
    for body in (
        '''def ${verb}_$a(self, $b, limit=$n):
    """${Verb}s the $a of a $b."""
    if $b is None:
        raise ValueError(f"no $b: {$b!r}")
    for index, $a in enumerate(self.${a}s[:limit]):
        if $a.$c != $b.$c:
            continue
        self._$d[$a.name] = $a.${verb}_$c($b, index + $n)
    return self._$d.get("$c")

''',
        """static int ${verb}_$a(struct $b *$b, size_t limit)
{
\tif ($b == NULL || $b->$c > limit)
\t\treturn -EINVAL;
\tfor (size_t i = 0; i < $b->$c; i++) {
\t\tstruct $a *$a = &$b->${a}s[i];
\t\tif ($a->flags & 0x$h)
\t\t\t$a->$d = ${verb}_$d($a, i, $n);
\t}
\treturn 0;
}

""",
        """class ${A}${C}(${B}):
    $d: dict[str, int] = {"$a": $n, "$b": 0x$h}

    def __init__(self, $a: $A, $b: str = "$c") -> None:
        super().__init__($b)
        self.$a = $a  # the $c is asked for its $d first

    @property
    def $c(self) -> int:
        return self.$d.get(self.$a.$b, $n)


""",
    )
]


def source(rng: random.Random) -> Iterator[str]:
    """Functions and classes of Python and C."""
    while True:
        names = {place: often(rng, NOUNS) for place in "abcd"}
        capitals = {place.upper(): name.title() for place, name in names.items()}
        verb = often(rng, VERBS)
        numbers = {"n": rng.randrange(300), "h": hexadecimal(rng, 4)}
        yield rng.choice(FUNCTIONS).substitute(**names, **capitals, **numbers, verb=verb, Verb=verb.title())


# --- beyond ASCII ---

COMMA, STOP = "\N{FULLWIDTH COMMA}", "\N{IDEOGRAPHIC FULL STOP}"


def cyrillic(rng: random.Random) -> Iterator[str]:
    while True:
        words = [often(rng, RUSSIAN) + rng.choice(("", "", "", "", "", ",")) for _ in range(rng.randint(5, 16))]
        yield " ".join(words).capitalize().rstrip(",") + rng.choice((".", ".", ".", "?", "!")) + "\n"


def chinese(rng: random.Random) -> Iterator[str]:
    while True:
        clauses = ("".join(often(rng, CHINESE) for _ in range(rng.randint(4, 10))) for _ in range(rng.randint(1, 4)))
        yield COMMA.join(clauses) + STOP + "\n"


def registry(rng: random.Random) -> Iterator[str]:
    """An export of a Windows registry, which is written in UTF-16."""
    yield "Windows Registry Editor Version 5.00\r\n"
    while True:
        yield (
            f"\r\n[HKEY_LOCAL_MACHINE\\SOFTWARE\\{often(rng, NOUNS).title()}\\{often(rng, NOUNS).title()}\\"
            f"{{{hexadecimal(rng, 8)}-{hexadecimal(rng, 4)}-{hexadecimal(rng, 4)}}}]\r\n"
            f'"DisplayName"="{often(rng, RUSSIAN).title()} {often(rng, NOUNS)}"\r\n'
            f'"InstallDate"="202603{rng.randint(1, 28):02}"\r\n'
            f'"InstallLocation"="C:\\\\Program Files\\\\{often(rng, NOUNS).title()}\\\\{often(rng, NAMES)}.exe"\r\n'
            f'"Size"=dword:{hexadecimal(rng, 8)}\r\n'
        )


def hexdump(rng: random.Random) -> Iterator[str]:
    """What `hexdump -C` shows of a program: code, names and empty places."""
    offset = 0
    while True:
        shape = rng.randrange(4)
        if shape == 0:
            row = f"_{rng.choice(VERBS)}_{often(rng, NOUNS)}\0\0\0\0".encode().ljust(16, b"\0")[:16]
        elif shape == 1:
            row = bytes((rng.randrange(256), rng.randrange(4), 0, 0)) * 2 + bytes(8)
        else:
            row = bytes(rng.choice((0x48, 0x8B, 0x89, 0xE8, 0x0F, 0x00, rng.randrange(256))) for _ in range(16))
        digits = row[:8].hex(" ") + "  " + row[8:].hex(" ")
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{offset:08x}  {digits}  |{shown}|\n"
        offset += 16


@dataclass
class Kind:
    """Lines of a kind of text without end, and the encoding of their bytes."""

    lines: Callable[[random.Random], Iterator[str]]
    encoding: str = "ascii"


KINDS = {
    "json-lines": Kind(json_lines),
    "key-value": Kind(key_value),
    "syslog": Kind(syslog),
    "access-log": Kind(access_log),
    "csv": Kind(csv),
    "sql": Kind(sql),
    "fastq": Kind(fastq),
    "source": Kind(source),
    "cyrillic": Kind(cyrillic, "utf-8"),
    "chinese": Kind(chinese, "utf-8"),
    "hexdump": Kind(hexdump),
    "utf-16": Kind(registry, "utf-16-le"),
}


def text(kind: Kind, rng: random.Random) -> bytes:
    """SIZE bytes: as many whole lines as fit, and newlines. So a text that is repeated is the same across each seam."""
    lines, size = [], 0
    for line in kind.lines(rng):
        encoded = line.encode(kind.encoding)
        if size + len(encoded) > SIZE:
            break
        lines.append(encoded)
        size += len(encoded)
    newline = "\n".encode(kind.encoding)
    return b"".join(lines) + newline * ((SIZE - size) // len(newline))
