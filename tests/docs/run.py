#!/usr/bin/env python3
"""Runs the commands that the documentation shows, and compares what they print with what it says.

    tests/docs/run.py PROGRAM              every page of docs/, the READMEs, and what `mentions` looks at
    tests/docs/run.py PROGRAM PAGE...      these
    tests/docs/run.py --write PROGRAM ...  puts what is printed into the pages, to be read before a commit

A page shows commands in blocks marked `console`: a line that begins with `$ ` is a command (with `> `,
more of it), and what follows is all that it prints, on both outputs. `…` stands for any text within a
line, and on a line of its own for any lines. The commands of a page run in one shell, one after the
other, as if by somebody who reads it:

- `interactions` is PROGRAM, its database a new SQLite file, and the working directory an empty one
  with the repository's `examples` and `proto` in it.
- `interactions serve` goes on in the background, as in a terminal of its own, until the page ends or
  the comment `# Ctrl-C` stands where a command would. Free ports take the place of 50051 and 50052.
- A page that begins with `<!-- console: after OTHER.md -->` goes on where that page ended.
- While a page that begins with `<!-- console: beside the demo -->` is run, the demo is, in a terminal of its
  own. `sk_…` in a command is the key that it prints.
- `target/release/interactions` is PROGRAM as well. `grpcurl` is `buf curl`, with the flags translated: it is
  in no registry of packages.
- PGHOST, PGPORT and PGUSER name a PostgreSQL server that has no databases yet, with its programs and
  `buf` on the PATH; they come from the caller.
"""

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import random
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from mentions import wrong_mentions

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Seconds: many times what any command takes on a busy machine.
LIMIT = 60
PORTS = ("50051", "50052")
UNUSED = list(range(20_000, 32_000))
SERVE = re.compile(r"interactions serve\b[^|;&]*$")
STOP = "# Ctrl-C"
DEMO_KEY = re.compile(rb"^export INTERACTIONS_API_KEY=(sk_\w+)$", re.MULTILINE)
OPEN_KEY = "sk_…"
GRPCURL = r"""#!/usr/bin/env bash
flags=(--http2-prior-knowledge --protocol grpc)
while (($# > 2)); do
    case $1 in
        -plaintext) ;;
        -H) flags+=(-H "$2"); shift ;;
        -d) flags+=(--data "$2"); shift ;;
        *) echo "grpcurl: $1 is not translated" >&2; exit 2 ;;
    esac
    shift
done
exec buf curl "${flags[@]}" "http://$1/$2"
"""
ANY = "…"
# What differs from run to run, and what stands for it where outputs are written into a page.
VARYING = [
    (re.compile(pattern), kept)
    for pattern, kept in [
        (r"\bns_[0-9a-f]{16}\b", f"ns_{ANY}"),
        (r"\bsk_live_\w+", f"sk_live_{ANY}"),
        (r"\bcreated key \w{12}\b", f"created key {ANY}"),
        (r"(?<=--page-token )\w[\w-]{40,}", ANY),
        (r"(?<=next_page_token\": \")[^\"]+", ANY),
        (r"20(2[6-9]|[3-9]\d)-\d\d-\d\dT[\d:.]+Z", ANY),
        (r"\bin [\d.]+ s \([\d,]+/s\)", f"in {ANY} s ({ANY}/s)"),
    ]
]


class Failure(Exception):
    """A command that did not end, or a server that did not start."""


class Command:
    """A command of a page, and the lines that it is said to print."""

    def __init__(self, line, text):
        self.line = line
        self.text = text
        self.said = []


def blocks(page):
    """The commands of each console block of a page, with the numbers of the lines that hold them."""
    found, block = [], None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines()):
        if block is None:
            if line.startswith("```console"):
                block = []
        elif line.startswith("```"):
            found.append((block, number))
            block = None
        elif line.startswith("$ "):
            block.append(Command(number, line[2:]))
        elif not block:
            raise Failure(f"{page.name}:{number + 1}: a console block begins with a command")
        elif line.startswith("> ") and not block[-1].said:
            block[-1].text += "\n" + line[2:]
        else:
            block[-1].said.append(line)
    return found


def predecessor(page):
    """The page that this one goes on from, if any."""
    with page.open(encoding="utf-8") as lines:
        match = re.match(r"<!-- console: after ([\w./-]+)", lines.readline())
    return page.parent / match[1] if match else None


def matches(said, printed):
    """Whether lines are those that a page has, where `…` stands for anything."""
    if not said:
        return not printed
    if said[0] == ANY:
        return any(matches(said[1:], printed[skip:]) for skip in range(len(printed) + 1))
    if not printed:
        return False
    # What stands open may be of any length, so the spaces that align what follows are too.
    parts = re.split(rf"({ANY} *)", said[0])
    pattern = "".join(
        (".* +" if part.endswith(" ") else ".*") if part.startswith(ANY) else re.escape(part) for part in parts)
    return re.fullmatch(pattern, printed[0]) is not None and matches(said[1:], printed[1:])


def beside_demo(page):
    with page.open(encoding="utf-8") as lines:
        return lines.readline().startswith("<!-- console: beside the demo")


class Shell:
    """A shell in a directory of its own, and the servers that were started in it."""

    def __init__(self, program, scratch):
        self.ports = {shown: free_port() for shown in PORTS}
        self.servers = []
        self.log = open(scratch / "server.log", "w+b")
        # Short paths: some of them are printed.
        work = scratch / "work"
        work.mkdir()
        for name in ("examples", "proto"):
            (work / name).symlink_to(ROOT / name)
        programs = scratch / "bin"
        programs.mkdir()
        (programs / "interactions").symlink_to(program)
        (programs / "grpcurl").write_text(GRPCURL)
        (programs / "grpcurl").chmod(0o755)
        (work / "target/release").mkdir(parents=True)
        (work / "target/release/interactions").symlink_to(program)
        self.key = OPEN_KEY
        keep = {name: os.environ[name] for name in ("PATH", "PGHOST", "PGPORT", "PGUSER", "PGPASSWORD")
                if name in os.environ}
        self.environment = keep | {
            "PATH": f"{programs}:{keep['PATH']}",
            "HOME": str(scratch),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "INTERACTIONS_LISTEN": f"127.0.0.1:{self.ports[PORTS[0]]}",
            "INTERACTIONS_ADDR": f"127.0.0.1:{self.ports[PORTS[0]]}",
        }
        self.bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=work, env=self.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)

    def run(self, command):
        """Runs a command, and returns the lines that it prints."""
        text = command.text
        for shown, port in self.ports.items():
            text = text.replace(shown, port)
        text = text.replace(OPEN_KEY, self.key)
        if text.startswith(STOP):
            self.stop()
            return []
        if SERVE.fullmatch(text):
            self.serve(text, re.compile(b'"serving"'))
            return []
        return self.execute(text)

    def execute(self, text):
        mark = f"end-{time.monotonic_ns()}"
        # Without input, so that no command waits for some; the status is there for the next command.
        line = f"eval {shlex.quote(text)} </dev/null; mark=$?; printf '\\n%s\\n' {mark}; (exit $mark)\n"
        self.bash.stdin.write(line.encode())
        self.bash.stdin.flush()
        printed, end = b"", f"\n{mark}\n".encode()
        until = time.monotonic() + LIMIT
        while not printed.endswith(end):
            ready, _, _ = select.select([self.bash.stdout], [], [], max(0, until - time.monotonic()))
            more = os.read(self.bash.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise Failure(f"did not end within {LIMIT} s, after: {printed.decode(errors='replace')}")
            printed += more
        text = printed[: -len(end)].decode()
        for shown, port in self.ports.items():
            text = text.replace(port, shown)
        # Go's JSON has one space or two after a colon, as the build of `buf` will have it.
        return [re.sub(r'^( *"\w+":) +', r"\1 ", line).rstrip() for line in text.splitlines()]

    def demonstrate(self):
        """Starts the demo."""
        self.key = self.serve("interactions demo", DEMO_KEY)[1].decode()

    def serve(self, text, ready):
        """Starts a server, and waits until what it says shows that it serves, or it gives up."""
        # What the shell has exported is the server's too.
        self.execute("export -p > ../exported")
        with_exports = f"source ../exported; exec {text}"
        server = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-c", with_exports], cwd=self.bash_directory(),
            env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.servers.append(server)
        until = time.monotonic() + LIMIT
        while not (said := ready.search(self.said_by_servers())):
            if server.poll() is not None or time.monotonic() > until:
                raise Failure(f"did not serve: {self.said_by_servers().decode(errors='replace')}")
            time.sleep(0.02)
        return said

    def bash_directory(self):
        return os.readlink(f"/proc/{self.bash.pid}/cwd")

    def said_by_servers(self):
        """What the last server said: the log is emptied when it stops."""
        self.log.flush()
        return pathlib.Path(self.log.name).read_bytes()

    def stop(self):
        if not self.servers:
            raise Failure("no server runs")
        server = self.servers.pop()
        server.send_signal(signal.SIGINT)
        status = server.wait(timeout=LIMIT)
        if status != 0:
            raise Failure(f"the server ended with {status}")
        self.log.seek(0)
        self.log.truncate()

    def close(self):
        for server in self.servers:
            server.kill()
            server.wait()
        self.bash.kill()
        self.bash.wait()
        self.log.close()


def free_port():
    """A port that nothing listens on, below those that the system hands out by itself, and not twice."""
    while True:
        port = random.choice(UNUSED)
        UNUSED.remove(port)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return str(port)


def run_page(page, program, write):
    """Runs a page, and returns what is wrong with it."""
    wrong, printed_of = [], {}
    with tempfile.TemporaryDirectory(prefix="interactions-docs-") as scratch:
        shell = Shell(program, pathlib.Path(scratch))
        command = None
        try:
            before, pages = predecessor(page), []
            while before:
                pages.insert(0, before)
                before = predecessor(before)
            for earlier in pages:
                for block, _ in blocks(earlier):
                    for command in block:
                        shell.run(command)
            if beside_demo(page):
                shell.demonstrate()
            for block, _ in blocks(page):
                for command in block:
                    printed = shell.run(command)
                    said = [line.rstrip() for line in command.said]
                    if not matches(said, printed):
                        printed_of[command.line] = printed
                        difference = difflib.unified_diff(
                            said, printed, "said", "printed", lineterm="", n=1)
                        place = f"{page.relative_to(ROOT)}:{command.line + 1}: {command.text}"
                        wrong.append("\n".join([place, *difference]))
        except Failure as failure:
            text = command.text if command else ""
            wrong.append(f"{page.relative_to(ROOT)}: {text}\n{failure}")
        finally:
            shell.close()
    if write and printed_of:
        rewrite(page, printed_of)
    return wrong


def steady(line):
    """A line with what differs from run to run left open."""
    for pattern, kept in VARYING:
        # In a column, the next one keeps its place.
        aligned = re.compile(pattern.pattern + "(?=  )")
        line = aligned.sub(lambda match, kept=kept: kept.ljust(len(match[0])), line)
        line = pattern.sub(kept, line)
    return line


def rewrite(page, printed_of):
    """Puts what commands printed into a page, in place of what it says."""
    lines, written, at = page.read_text(encoding="utf-8").splitlines(), [], 0
    by_line = {command.line: command for block, _ in blocks(page) for command in block}
    while at < len(lines):
        written.append(lines[at])
        command = by_line.get(at)
        at += 1
        if command and command.line in printed_of:
            for _ in command.text.splitlines()[1:]:
                written.append(lines[at])
                at += 1
            written += [steady(line) for line in printed_of[command.line]]
            at += len(command.said)
    page.write_text("\n".join(written) + "\n", encoding="utf-8")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("pages", type=pathlib.Path, nargs="*")
    arguments = arguments.parse_args()
    program = arguments.program.resolve(strict=True)
    pages = [page.resolve(strict=True) for page in arguments.pages]
    wrong = [] if pages else wrong_mentions(ROOT, program)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    pages = pages or [ROOT / "README.md", ROOT / "examples/README.md", *sorted((ROOT / "docs").glob("*.md"))]
    pages = [page for page in pages if blocks(page)]
    for needed in ("buf", "openssl", "psql", "pg_dump", "sqlite3"):
        if not shutil.which(needed):
            sys.exit(f"{needed} is not on the PATH")
    began, failed = time.monotonic(), 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as workers:
        running = {page: workers.submit(run_page, page, program, arguments.write) for page in pages}
        for page, result in running.items():
            found = result.result()
            failed += bool(found)
            count = sum(len(block) for block, _ in blocks(page))
            print(f"{'FAILED' if found else 'ok':6} {page.relative_to(ROOT)}, {count} commands", flush=True)
            for text in found:
                print(text, end="\n\n")
    print(f"{len(pages) - failed} pages passed, {failed} failed in {time.monotonic() - began:.0f} s")
    sys.exit(1 if failed or wrong else 0)


if __name__ == "__main__":
    main()
