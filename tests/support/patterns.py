"""A log of many kinds of lines, and regular expressions of every construct of `re`'s syntax."""

from __future__ import annotations

import sys

SINCE_3_11 = sys.version_info >= (3, 11)

LOG = b"""\
081109 203518 143 INFO dfs.DataNode$DataXceiver: Receiving block blk_-1608999687919862906 src: /10.250.19.102:54106
081109 203519 29 WARN dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.250.10.6:50010
Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user webmaster from 173.234.31.186
Dec 10 06:55:48 LabSZ sshd[24200]: Failed password for invalid user webmaster from 173.234.31.186 port 38926 ssh2
Dec 10 07:07:38 LabSZ sshd[24206]: Failed password for root from 112.95.230.3 port 45378 ssh2

[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6
[Sun Dec 04 04:51:08 2005] [notice] jk2_init() Found child 6725 in scoreboard slot 10
[Sun Dec 04 05:12:30 2005] [error] [client 1.2.3.4] File does not exist: /var/www/html/Directory
Jun 14 15:16:01 combo kernel: Linux version 2.6.5-1.358 (bhcompile@bugs.build.redhat.com) (gcc version 3.3.3)
Jun  9 06:06:20 combo kernel: ACPI disabled because your bios is from 2000 and too old
{"level":"ERROR","msg":"timeout","path":"/api/v1/items","ms":1032}
{"level":"info","msg":"ok","path":"/api/v2/items?id=42","ms":3}
key=value other="quoted value" empty= last=1
   indented\twith\ttabs and trailing blanks  \t
ABCabcABC foofoo barbar 1212 aaaa
 at java.lang.Thread.run(Thread.java:745)
Error: ENOENT, no such file or directory 'a.txt'
errno=2 error=no error_code=17

x
xx
caf\xc3\xa9 na\xc3\xafve \xff\xfe \x00 binary\x01
a.b*c+d?e[f]g(h)i{j}k|l^m$n\\o
GET /index.html HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11; Linux x86_64)"
POST /login HTTP/1.1" 401 0 "-" "curl/7.68.0"
the quick brown fox jumps over the lazy dog
THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG
kernel
last line, without what others have: 999999999
"""

PATTERNS = [
    # letters, escapes, any
    rb"error", rb"ERROR", rb"e", rb"", rb"\.", rb"a\.b\*c\+d\?e\[f\]g\(h\)i\{j\}k\|l\^m\$n\\o", rb"\x41BC",
    rb"\101BC", rb"\t", rb"\xc3\xa9", rb"\xff", rb"\x00", rb".", rb"..", rb"e.r", rb"e..or", rb"\n", rb"error\nx",
    rb"a|\n", rb"[\n]x", rb"\r", rb"x\Z", rb"q.*x", rb"\\", rb"no such", rb"nowhere to be found", rb"\a", rb"\x7b",
    # classes
    rb"[Ee]rror", rb"[Ee][Rr][Rr]or", rb"[a-c]{3}", rb"[0-9]{9}", rb"[^a-z]{20}", rb"[^\n]x", rb"[]x]", rb"[^]x]",
    rb"[a\-z]", rb"[-a]", rb"[\d.]+:\d+", rb"[\w]+@[\w.]+", rb"[\s]x", rb"\d+", rb"\d\d:\d\d:\d\d", rb"\w+\[\d+\]",
    rb"\s+at\s", rb"\S+@\S+", rb"\D{30}", rb"\W{3}", rb"[A-Z]{5,}", rb"[\x80-\xff]+", rb"[\W\d]{12}", rb"[.]",
    rb"[E]rror", rb"[ab]c[AB]", rb"[^x]",
    # repeats
    rb"x*", rb"x+", rb"x?x?", rb"xx?", rb"a{4}", rb"a{2,3}", rb"a{3,}", rb"a{,2}$", rb"(ab){1,}", rb"(?:foo)+",
    rb"(foo){2}", rb"(?:foo){2,}bar", rb"(?:foo){2} bar", rb"fo*f", rb"fo+?f", rb"fo??o", rb"x{0}kernel",
    rb"(x{0}|kernel)", rb"(bar){2}", rb"blk_-?\d+", rb"INFO dfs\.\w+", rb"port \d+ ssh2", rb"id=\d+", rb"a{3}",
    rb"\d{3,6}$", rb"z{0,1}zy", rb"(a|b)*c", rb"(a*)*b", rb"(?:12){2,4}", rb"E{1}rror", rb"(?:error ?)+",
    # groups, alternatives, references
    rb"(error)", rb"(?:error)", rb"(?P<word>error)", rb"error|kernel", rb"(error|kernel)", rb"error|", rb"|error",
    rb"(error|)", rb"Err(or|no)", rb"[eE]rr(or|no)=\d", rb"(foo)\1", rb"(?P<x>foo)(?P=x)", rb"(\w)\1\1",
    rb"(a)?b(?(1)c|d)", rb"(x)?(?(1)x|kernel)", rb"(k)(?(1)ernel)", rb"invalid user|Failed password|root",
    rb"((a)|(b))c", rb"(a|ab)(c|bcd)", rb"\[error\] .*(File|Directory)", rb"(INFO|WARN|ERROR)",
    rb"(?:a|b|c|d|e|f){6}", rb"(a|b|c|d|e){4}z", rb"GET|POST|PUT", rb"(?:GET|POST) /\w+", rb"(foo|fo|f)(oo|o|)",
    rb"abc|abcd|ab", rb"kernel: (Linux|ACPI)", rb"(((error)))", rb"(?#comment)error",
    # places
    rb"^x", rb"x$", rb"^x$", rb"^$", rb"^", rb"$", rb"\Akernel", rb"kernel\Z", rb"\bfox\b", rb"\Box", rb"\bx\b",
    rb"^\s*$", rb"^\S+$", rb"error\b", rb"\berr", rb"(^|\s)x", rb"(x|$)", rb"^(?:kernel|x)$", rb"(?m)^x$",
    rb"(?m)error$", rb"\b", rb"\B", rb"^Dec|^Jun", rb"ssh2$", rb"(?:^| )kernel", rb"\A\Z", rb"$^", rb"x^", rb"$x",
    # look-arounds
    rb"(?=error)e", rb"(?=foo)\w+", rb"error(?=_code)", rb"error(?!_code)", rb"(?!error)err", rb"(?<=user )\w+",
    rb"(?<!user )root", rb"(?<=\[)error", rb"(?=.*port)(?=.*root)", rb"(?!)", rb"(?=)", rb"(?<!.)x", rb"x(?!.)",
    rb"(?<=o)o(?=f)", rb"^(?!.*error).*$", rb"(?=(error))\1", rb"(?<=er)ror", rb"(?!x)(?!y)z",
    rb"(?<![a-z])error(?![a-z_])", rb"(?<=(?:a|b))c",
    # flags
    rb"(?i)ERROR", rb"(?i:ERROR)", rb"(?i:e)rror", rb"(?i)the (?-i:quick)", rb"(?s).*", rb"(?s:.)x",
    rb"(?x) error # a word", rb"(?x: err or )", rb"(?i)[a-c]{9}", rb"(?i)caf\xc3\xa9", rb"(?i)CAF\xc3\xa9",
    rb"(?a)\w+@", rb"(?i)k", rb"(?i)\x4bernel", rb"(?i:ERROR)|kernel", rb"(?L)error", rb"(?L:error)",
    rb"(?i)error|KERNEL", rb"(?ims)^THE.*dog$", rb"(?i:a)bc", rb"ab(?i:C)A", rb"(?i)1212", rb"(?i)_-16",
    rb"(?i:(?-i:the) )quick",
]  # fmt: skip

if SINCE_3_11:
    PATTERNS += [
        rb"(?>error)", rb"(?>a|ab)c", rb"(?>foo)+bar", rb"x++", rb"x++x", rb"fo*+o", rb"[a-z]++@", rb"(?:a|ab)++c",
        rb"x?+x", rb"a{2,4}+a", rb"(?>x*)", rb"err(?>or|no)=", rb"(?>(?:foo)+)bar", rb"\d++$",
    ]  # fmt: skip
