"""Measures what a user would run instead of the service, against it, on the same data.

`scripts/bench-rivals` builds, installs and loads, and then runs this.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import secrets
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

CLIENTS = 16
PAGE = 100
LONGEST_SESSION = 40
PATIENCE = 240
HERE = pathlib.Path(__file__).parent
UNLIMITED = ["--calls-per-second", "1000000", "--max-calls", "1024", "--reading-streams", "64"]
# Every field of an interaction that the data set has. Names of types stay the bits they are stored as.
COLUMNS = [
    "interaction_id", "feature_id", "type_mask", "position", "user_id", "session_id", "execution_id",
    "retriever_id", "feature_uri", "document_score", "result_set_size", "timestamp_us", "created_at_us",
]
METADATA = "document_exact"
QUESTIONS = {"newest": f"newest {PAGE}", "session": "a session"}


def main():
    arguments = parse()
    bench = Bench(arguments)
    with contextlib.ExitStack() as stack:
        bench.scratch = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench.load()
        services = {
            "PostgreSQL": bench.start_service(stack, bench.postgres_url, "postgres"),
            "SQLite": bench.start_service(stack, bench.sqlite_url, "sqlite"),
        }
        rivals = []
        for start in [start_postgraphile, start_directus, start_datasette]:
            try:
                rival = start(bench, stack)
            except Unavailable as reason:
                print(f"left out: {reason}", file=sys.stderr)
                bench.left_out.append(str(reason))
                continue
            bench.check(rival)
            rivals.append(rival)
        lines = measure(bench, services, rivals)
    report = markdown(bench, rivals, lines)
    print(report)
    if not arguments.no_report:
        (arguments.reports / "report-rivals.md").write_text(report)
    return 1 if any(line.verdict() == "**missed**" for line in lines) else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=1,
                        help="of PostGraphile and of Directus; one, as they start by themselves")
    parser.add_argument("--no-report", action="store_true", help="print it only")
    for name in ["release", "rivals", "reports", "postgres-bin", "node"]:
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    for name in ["postgres-url", "commit"]:
        parser.add_argument(f"--{name}", required=True)
    return parser.parse_args()


class Unavailable(Exception):
    """A rival cannot be installed or started here."""


@dataclass
class Rival:
    name: str
    database: str
    bar: float
    address: str
    about: str
    # Of each question: where it is asked, and what is posted.
    asks: dict
    # How an answer names the id of an interaction.
    mark: str
    rows_of: object
    metadata_of: object
    bearer: str | None = None


@dataclass
class Line:
    question: str
    rival: Rival
    ours: list = field(default_factory=list)
    theirs: list = field(default_factory=list)

    def ratios(self):
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs)]

    def verdict(self):
        ratios = self.ratios()
        if statistics.median(ratios) >= self.rival.bar:
            return "met"
        # As in the other report: on the wrong side in every round, or within what the rounds differ.
        return "**missed**" if max(ratios) < self.rival.bar else "open"


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.postgres_url = arguments.postgres_url
        self.left_out = []
        self.scratch = None
        self.rounds, self.warm_up_ms, self.measured_ms = (3, 1_000, 3_000) if arguments.quick else (5, 1_500, 5_000)

    def load(self):
        self.sqlite_file = self.scratch / "bench.sqlite3"
        self.sqlite_url = f"sqlite:{self.sqlite_file}"
        self.loaded = {}
        for database, url in [("PostgreSQL", self.postgres_url), ("SQLite", self.sqlite_url)]:
            said = self.bench("load", "--rows", str(self.arguments.rows), url)
            self.loaded[database] = json.loads(said)
        self.psql("VACUUM ANALYZE")

    def bench(self, *arguments):
        """Runs a part of the Rust bench."""
        command = [self.arguments.release / "interactions-bench", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def psql(self, *commands, file=None):
        command = [self.arguments.postgres_bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.postgres_url]
        for text in commands:
            command += ["-c", text]
        if file:
            command += ["-f", file]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def run(self, stack, name, command, address, ready, env=None, cwd=None):
        """Starts a server and waits until it answers; it ends with `stack`."""
        log = self.scratch / f"{name}.log"
        with log.open("w") as out:
            child = subprocess.Popen(
                command, env={**os.environ, **(env or {})}, cwd=cwd, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )
        stack.callback(stop, child)
        started = time.monotonic()
        while not ready(address):
            if child.poll() is not None or time.monotonic() - started > PATIENCE:
                raise Unavailable(f"{name} does not start: {log.read_text()[-2000:]}")
            time.sleep(0.2)

    def start_service(self, stack, url, name):
        address = free_address()
        command = [self.arguments.release / "interactions", "serve", "--no-migrate", "--listen", address, *UNLIMITED]
        self.run(stack, f"service-{name}", command, address, listens, {"INTERACTIONS_DATABASE_URL": url})
        return address

    def truth(self, session):
        """The ids, in order, that an answer has to have: those of the newest, or of a session."""
        namespace = self.loaded["PostgreSQL"]["namespace_id"]
        condition = f"AND session_id = '{session}'" if session else ""
        return self.psql(
            f"SELECT interaction_id FROM interactions WHERE namespace_id = {namespace} {condition} "
            f"ORDER BY timestamp_us DESC, interaction_id DESC LIMIT {PAGE}"
        ).split()

    def check(self, rival):
        """Whether it answers the questions as they are meant."""
        sessions = self.loaded[rival.database]["sessions"]
        for session in [None, 1, sessions // 2, sessions]:
            path, body = rival.asks["session" if session else "newest"]
            path = path.replace("{session}", str(session))
            body = body and body.replace("{session}", str(session))
            text = get(rival.address, path, body, rival.bearer)
            rows = rival.rows_of(json.loads(text))
            ids = [row.get("interaction_id", row.get("interactionId")) for row in rows]
            truth = self.truth(session)
            if not truth or ids != truth or text.count(rival.mark) != len(truth):
                raise SystemExit(f"{rival.name} answers {path} with {len(ids)} other rows: {text[:600]}")
            for row in rows:
                metadata = rival.metadata_of(row)
                if len(row) != len(COLUMNS) + 1 or "device" not in metadata["metadata"]:
                    raise SystemExit(f"{rival.name} does not return all fields: {row}")

    def asking(self, address, database):
        return [
            "--address", address, "--clients", str(CLIENTS),
            "--sessions", str(self.loaded[database]["sessions"]),
            "--warm-up-ms", str(self.warm_up_ms), "--measured-ms", str(self.measured_ms),
        ]

    def ask_service(self, question, address, database):
        key = self.loaded[database]["key"]
        return float(self.bench(
            "ask-service", *self.asking(address, database), "--key", key, "--namespace", "bench-0",
            "--question", question,
        ))

    def ask_rival(self, question, rival):
        path, body = rival.asks[question]
        least, most = (PAGE, PAGE) if question == "newest" else (1, LONGEST_SESSION)
        command = ["ask-http", *self.asking(rival.address, rival.database), "--path", path]
        command += ["--mark", rival.mark, "--least", str(least), "--most", str(most)]
        if body:
            command += ["--body", body]
        if rival.bearer:
            command += ["--bearer", rival.bearer]
        return float(self.bench(*command))


def start_postgraphile(bench, stack):
    home = installed(bench, "postgraphile")
    address = free_address()
    env = {
        "NODE_ENV": "production", "GRAPHILE_ENV": "production",
        "DATABASE_URL": bench.postgres_url, "PORT": address.split(":")[1],
    }
    command = cluster(bench, "node_modules/postgraphile/dist/cli-run.js")
    bench.run(stack, "postgraphile", command, address, answers("/graphql", [200, 400, 405, 406]), env, home)
    columns = " ".join(camel(column) for column in [*COLUMNS, METADATA])

    def ask(variables, condition):
        query = (
            f"query({variables}) {{ allInteractions(condition: {{{condition}}}, first: {PAGE}, "
            f"orderBy: [TIMESTAMP_US_DESC, INTERACTION_ID_DESC]) {{ nodes {{ {columns} }} }} }}"
        )
        values = {"namespace": str(bench.loaded["PostgreSQL"]["namespace_id"])}
        if "session" in variables:
            values["session"] = "{session}"
        return "/graphql", json.dumps({"query": query, "variables": values})

    return Rival(
        name="PostGraphile", database="PostgreSQL", bar=5, address=address, mark='"interactionId":',
        about=f"PostGraphile {version(home, 'postgraphile')}, preset Amber, NODE_ENV and GRAPHILE_ENV "
              f"production, no GraphiQL, no watching, no explaining; {processes(bench)} of Node; "
              "a GraphQL query of fixed text with variables, on the service's own table",
        asks={
            "newest": ask("$namespace: BigInt!", "namespaceId: $namespace"),
            "session": ask("$namespace: BigInt!, $session: String!", "namespaceId: $namespace, sessionId: $session"),
        },
        rows_of=lambda answer: answer["data"]["allInteractions"]["nodes"],
        metadata_of=lambda row: row[camel(METADATA)],
    )


def start_directus(bench, stack):
    home = installed(bench, "directus")
    address = free_address()
    bench.psql(file=HERE / "directus.sql")
    bench.psql("VACUUM ANALYZE directus.items")
    url = urllib.parse.urlparse(bench.postgres_url)
    token = secrets.token_hex(16)
    env = {
        "NODE_ENV": "production", "HOST": "127.0.0.1", "PORT": address.split(":")[1],
        "PUBLIC_URL": f"http://{address}", "SECRET": secrets.token_hex(32),
        "DB_CLIENT": "pg", "DB_HOST": url.hostname, "DB_PORT": str(url.port), "DB_USER": url.username,
        "DB_PASSWORD": "", "DB_DATABASE": url.path[1:], "DB_SEARCH_PATH": "array:directus",
        "ADMIN_EMAIL": "bench@example.com", "ADMIN_PASSWORD": secrets.token_hex(16), "ADMIN_TOKEN": token,
        "TELEMETRY": "false", "LOG_LEVEL": "error", "CACHE_ENABLED": "false",
        "RATE_LIMITER_ENABLED": "false", "PRESSURE_LIMITER_ENABLED": "false", "WEBSOCKETS_ENABLED": "false",
        "STORAGE_LOCAL_ROOT": str(bench.scratch / "uploads"),
        "EXTENSIONS_PATH": str(bench.scratch / "extensions"),
    }
    program = "node_modules/directus/cli.js"
    bootstrap = subprocess.run(
        [bench.arguments.node, program, "bootstrap"], cwd=home, env={**os.environ, **env},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    if bootstrap.returncode != 0:
        raise Unavailable(f"Directus does not start: {bootstrap.stdout[-2000:]}")
    command = cluster(bench, program, "start")
    bench.run(stack, "directus", command, address, answers("/server/ping", [200]), env, home)
    get(address, "/collections/items", json.dumps({"meta": {"hidden": False}}), token, "PATCH")
    fields = ",".join([*COLUMNS, METADATA])
    common = f"fields={fields}&sort=-timestamp_us,-interaction_id&limit={PAGE}&filter[namespace][_eq]=0"
    path = "/items/items?" + common.replace("[", "%5B").replace("]", "%5D")
    return Rival(
        name="Directus", database="PostgreSQL", bar=10, address=address, bearer=token, mark='"interaction_id":',
        about=f"Directus {version(home, 'directus')}, NODE_ENV production, asked by its administrator with a "
              f"static token, no cache, no limits, no websockets; {processes(bench)} of Node; on a copy of the "
              "table in the same database, since it shows none that has a key of two columns",
        asks={
            "newest": (path, None),
            "session": (path + "&filter%5Bsession_id%5D%5B_eq%5D={session}", None),
        },
        rows_of=lambda answer: answer["data"],
        metadata_of=lambda row: row[METADATA],
    )


def start_datasette(bench, stack):
    home = bench.arguments.rivals / "datasette"
    program = home / "bin" / "datasette"
    if not program.exists():
        raise Unavailable("Datasette cannot be installed")
    address = free_address()
    namespace = bench.loaded["SQLite"]["namespace_id"]
    select = (
        f"select {', '.join(COLUMNS)}, json({METADATA}) as {METADATA} from interactions "
        f"where namespace_id = {namespace} %s order by timestamp_us desc, interaction_id desc limit {PAGE}"
    )
    queries = {"newest": {"sql": select % ""}, "session": {"sql": select % "and session_id = :session"}}
    metadata = bench.scratch / "datasette.json"
    metadata.write_text(json.dumps({"databases": {"bench": {"queries": queries}}}))
    host, port = address.split(":")
    command = [
        program, "serve", "--immutable", bench.sqlite_file, "--metadata", metadata, "--host", host, "--port", port,
    ]
    bench.run(stack, "datasette", command, address, answers("/-/versions.json", [200]))
    versions = json.loads(get(address, "/-/versions.json", None, None))
    return Rival(
        name="Datasette", database="SQLite", bar=5, address=address, mark='"interaction_id":',
        about=f"Datasette {versions['datasette']['version']} (SQLite {versions['sqlite']['version']}), one "
              "process, the file immutable, a canned query for each question, rows as JSON objects",
        asks={
            "newest": ("/bench/newest.json?_shape=array", None),
            "session": ("/bench/session.json?_shape=array&session={session}", None),
        },
        rows_of=lambda answer: answer,
        metadata_of=lambda row: json.loads(row[METADATA]),
    )


def measure(bench, services, rivals):
    lines = [Line(question, rival) for rival in rivals for question in QUESTIONS]
    for number in range(bench.rounds):
        started = time.monotonic()
        for line in lines:
            database = line.rival.database
            # Each right after the other, so that both find the machine in the same state.
            line.ours.append(bench.ask_service(line.question, services[database], database))
            line.theirs.append(bench.ask_rival(line.question, line.rival))
        print(f"round {number + 1} of {bench.rounds}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    return lines


def markdown(bench, rivals, lines):
    arguments = bench.arguments
    processor = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    postgres = subprocess.run(
        [arguments.postgres_bin / "postgres", "--version"], check=True, stdout=subprocess.PIPE, text=True,
    ).stdout.strip()
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    load = os.getloadavg()[1]
    node = subprocess.run([arguments.node, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
    rows = bench.loaded["PostgreSQL"]
    facts = [
        f"{now}, commit {arguments.commit}",
        f"{os.cpu_count()} cores ({processor[1] if processor else 'unknown'}); clients, servers and databases share "
        f"them; load average {load:.1f}",
        f"{postgres} (fsync off), Node {node.strip()}",
        f"{arguments.rows} interactions in 20 namespaces, {rows['rows']} in {rows['sessions']} sessions in the "
        f"largest, which is asked; {CLIENTS} clients, each on a connection of its own; {bench.rounds} rounds of "
        f"{bench.measured_ms / 1000:g} s",
        "One client program, in Rust and a process of its own, asks all: the service in gRPC, the others in "
        "HTTP/1.1. It leaves interactions as bytes in either, counts them in every answer, and fails on "
        "a wrong number. Before that the ids of some answers are compared with the table's, in order.",
        "The service returns whole interactions, in protobuf; the others the same fields in JSON, without "
        "compression, types as their bits.",
        "A ratio is the service's rate by the other's right after it, the median of the rounds'.",
        *[rival.about for rival in rivals],
        *[f"left out: {reason}" for reason in bench.left_out],
    ]
    table = [
        "| question | instead | the service, requests/s | instead, requests/s | ratio | spread | bar | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        ratios = line.ratios()
        table.append(
            f"| {line.rival.database}: {QUESTIONS[line.question]} | {line.rival.name} "
            f"| {statistics.median(line.ours):.0f} | {statistics.median(line.theirs):.0f} "
            f"| {statistics.median(ratios):.3g} | {min(ratios):.3g} to {max(ratios):.3g} "
            f"| ≥ {line.rival.bar} | {line.verdict()} |"
        )
    head = "# Performance, against what else could be run\n\n`scripts/bench-rivals` writes this page.\n\n"
    return head + "".join(f"- {fact}\n" for fact in facts) + "\n" + "\n".join(table) + "\n"


def installed(bench, name):
    home = bench.arguments.rivals / name
    if not (home / "installed").exists():
        raise Unavailable(f"{name} cannot be installed")
    return home


def cluster(bench, *program):
    return [bench.arguments.node, HERE / "cluster.mjs", str(bench.arguments.processes), *program]


def processes(bench):
    count = bench.arguments.processes
    return "one process" if count == 1 else f"{count} processes"


def version(home, package):
    return json.loads((home / "node_modules" / package / "package.json").read_text())["version"]


def camel(column):
    return re.sub("_(.)", lambda found: found[1].upper(), column)


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def listens(address):
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
        return True
    return False


def answers(path, codes):
    def ready(address):
        try:
            return urllib.request.urlopen(f"http://{address}{path}", timeout=5).status in codes
        except urllib.error.HTTPError as error:
            return error.code in codes
        except OSError:
            return False

    return ready


def get(address, path, body, bearer, method=None):
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    request = urllib.request.Request(f"http://{address}{path}", body and body.encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{path}: {error.code} {error.read().decode()[:2000]}") from None


def stop(child):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


if __name__ == "__main__":
    sys.exit(main())
