#!/usr/bin/env python3
"""Runs the programs of examples/ against a server that is hard to reach, and compares what they print.

    tests/examples/run.py NAME=COMMAND...

Each COMMAND is a program that shows the same things as the others: `expected.txt` is what all of them
print. INTERACTIONS_ADDR and INTERACTIONS_API_KEY name a running server, and the key needs the scopes
`read`, `write` and `admin`: each program gets a namespace of its own, called NAME.

Between the programs and the server stands a proxy, which answers the first attempt of every call with
UNAVAILABLE, and breaks every list off after two pages. So a program that does not make calls again, or
does not resume a list, fails.
"""

import collections
import concurrent.futures
import difflib
import os
import pathlib
import shlex
import subprocess
import sys
import threading

import grpc

EXPECTED = pathlib.Path(__file__).with_name("expected.txt").read_text(encoding="utf-8")
# Seconds: many times what any program takes on a busy machine.
LIMIT = 120
LIST = "/interactions.v1.InteractionService/ListInteractions"
PAGES = 2
# The retries of a library are marked so. Rust's has none: its program makes the calls again by itself.
ATTEMPTS = "grpc-previous-rpc-attempts"
BY_HAND = {"rust"}


class Unreliable(grpc.GenericRpcHandler):
    """Hands calls on, whatever their messages are, and fails as described above."""

    def __init__(self, server):
        self.server = server
        self.lock = threading.Lock()
        # By namespace and method: a program makes one call at a time.
        self.attempts = collections.Counter()
        self.marked = collections.Counter()
        self.broken = collections.Counter()

    def service(self, call):
        def handle(requests, context):
            return self.hand_on(call.method, dict(call.invocation_metadata), requests, context)

        return grpc.stream_stream_rpc_method_handler(handle)

    def hand_on(self, method, metadata, requests, context):
        namespace = metadata.get("x-namespace")
        with self.lock:
            self.attempts[namespace, method] += 1
            first = self.attempts[namespace, method] % 2 == 1
            self.marked[namespace] += ATTEMPTS in metadata
        if first:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the proxy refuses first attempts")
        passed_on = [(name, metadata[name]) for name in ("authorization", "x-namespace") if name in metadata]
        call = self.server.stream_stream(method)(requests, metadata=passed_on)
        context.add_callback(call.cancel)
        try:
            for count, answer in enumerate(call, start=1):
                yield answer
                if method == LIST and count == PAGES:
                    call.cancel()
                    with self.lock:
                        self.broken[namespace] += 1
                    context.abort(grpc.StatusCode.UNAVAILABLE, "the proxy breaks lists")
        except grpc.RpcError as error:
            context.set_trailing_metadata(error.trailing_metadata())
            context.abort(error.code(), error.details())


def run(name, command, environment):
    """Runs a program; what it printed where that is not what it should be, and nothing otherwise."""
    try:
        ended = subprocess.run(
            shlex.split(command), env=environment | {"INTERACTIONS_NAMESPACE": name}, timeout=LIMIT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except subprocess.TimeoutExpired as late:
        return f"not done in {LIMIT} s\n{(late.output or b'').decode(errors='replace')}"
    printed = ended.stdout.decode(errors="replace")
    if ended.returncode == 0 and printed == EXPECTED:
        return ""
    difference = difflib.unified_diff(
        EXPECTED.splitlines(True), printed.splitlines(True), "expected", "printed", n=9)
    return f"exit code {ended.returncode}\n{''.join(difference) or printed}"


def main():
    programs = dict(argument.split("=", 1) for argument in sys.argv[1:])
    failed = 0
    with grpc.insecure_channel(os.environ["INTERACTIONS_ADDR"]) as channel:
        handler = Unreliable(channel)
        with concurrent.futures.ThreadPoolExecutor(4 * len(programs)) as calls:
            proxy = grpc.server(calls, handlers=[handler])
            environment = os.environ | {"INTERACTIONS_ADDR": f"127.0.0.1:{proxy.add_insecure_port('127.0.0.1:0')}"}
            proxy.start()
            with concurrent.futures.ThreadPoolExecutor() as workers:
                running = {
                    name: workers.submit(run, name, command, environment) for name, command in programs.items()
                }
                for name, result in running.items():
                    wrong = result.result()
                    # Half of the attempts were refused, and the other half had to say that they came again.
                    attempts = sum(n for (namespace, _), n in handler.attempts.items() if namespace == name)
                    if not wrong and name not in BY_HAND and 2 * handler.marked[name] != attempts:
                        wrong = f"{attempts} attempts, of which {handler.marked[name]} are the library's"
                    if not wrong and not handler.broken[name]:
                        wrong = "no list was broken off"
                    failed += bool(wrong)
                    print(f"{'FAILED' if wrong else 'ok':6} {name}, {attempts} attempts", flush=True)
                    if wrong:
                        print(wrong)
            proxy.stop(grace=None).wait()
    print(f"{len(programs) - failed} examples passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
