# SPDX-License-Identifier: Apache-2.0
# Runs one program that calls functions of the chat server. It is sent as the program of a run and speaks JSON
# lines: on its stdin first the program and its tools, later results; on its stdout calls and what the program
# prints. Nothing here is trusted by the other side: the program shares this process and may write anything.
import ast
import asyncio
import atexit
import codecs
import inspect
import json
import linecache
import os
import sys
import threading
import time
import types

LINE_MAX = 8 << 20
QUIET = 0.05
BUSY_MAX = 0.5
RUNNER = (lambda: 0).__code__.co_filename
PROGRAM = "main.py" if RUNNER != "main.py" else "program.py"


class ToolExecutionError(Exception):
    """A tool of the chat server failed."""


class Wire:
    """Both directions of the conversation, on private copies of the first two descriptors."""

    def __init__(self):
        self.source = os.fdopen(os.dup(0), "rb")
        self.sink = os.dup(1)
        self.lock = threading.Lock()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)

    def read(self):
        line = self.source.readline(LINE_MAX)
        return json.loads(line) if line.endswith(b"\n") else None

    def send(self, **message):
        data = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        with self.lock:
            while data:
                data = data[os.write(self.sink, data):]


class Output:
    """Puts a pipe in the place of stdout and passes on what arrives, up to a bound."""

    def __init__(self, wire, limit):
        self.wire, self.left = wire, limit
        self.pipe, end = os.pipe()
        os.dup2(end, 1)
        os.close(end)
        self.thread = threading.Thread(target=self.pump, daemon=True)
        self.thread.start()

    def pump(self):
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while True:
            data = os.read(self.pipe, 16384)
            kept = data[: max(self.left, 0)]
            if len(kept) < len(data) and self.left >= 0:
                self.left = -1
                self.wire.send(t="cut")
            elif self.left >= 0:
                self.left -= len(kept)
            text = decoder.decode(kept, final=not data)
            if text:
                self.wire.send(t="out", s=text)
            if not data:
                return

    def finish(self):
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            pass
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        # A process that was left in the background may hold the pipe for ever.
        self.thread.join(0.5)


class Calls:
    """Calls that wait for their results, and the sign that no more will come for now."""

    def __init__(self, wire, settled):
        self.wire, self.settled = wire, settled
        self.lock = threading.Lock()
        self.waiting = {}
        self.count = 0
        self.last = 0.0
        self.fresh = threading.Event()
        threading.Thread(target=self.listen, daemon=True).start()
        threading.Thread(target=self.watch, daemon=True).start()

    def place(self, name, arguments, deliver):
        with self.lock:
            self.count += 1
            number = self.count
            self.waiting[number] = deliver
            self.last = time.monotonic()
        try:
            self.wire.send(t="call", id=number, name=name, input=arguments)
        except (TypeError, ValueError):
            self.waiting.pop(number, None)
            raise
        self.fresh.set()

    def idle(self):
        if self.fresh.is_set():
            self.fresh.clear()
            self.wire.send(t="idle")

    def watch(self):
        while True:
            self.fresh.wait()
            since = time.monotonic() - self.last
            if since < QUIET or (since < BUSY_MAX and not self.settled()):
                time.sleep(0.01)
            else:
                self.idle()

    def listen(self):
        while True:
            message = self.wire.read()
            if message is None:
                os._exit(75)
            for result in message["results"]:
                deliver = self.waiting.pop(result["id"], None)
                if deliver:
                    deliver(result)


def make_stub(tool, calls):
    names, required = tool["params"], tool["required"]

    async def stub(*args, **kwargs):
        if len(args) > len(names):
            raise TypeError(f"{tool['ident']}() takes {len(names)} arguments but {len(args)} were given")
        given = dict(zip(names, args))
        for key, value in kwargs.items():
            key = key if key in names else tool["alias"].get(key, key)
            if key in given:
                raise TypeError(f"{tool['ident']}() got multiple values for argument '{key}'")
            given[key] = value
        missing = [name for name in required if given.get(name) is None]
        if missing:
            raise TypeError(f"{tool['ident']}() missing required argument: '{missing[0]}'")
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def settle(result):
            if future.done():
                return
            if result.get("error") is None:
                future.set_result(result.get("value"))
            else:
                future.set_exception(ToolExecutionError(result["error"]))

        def deliver(result):
            try:
                loop.call_soon_threadsafe(settle, result)
            except RuntimeError:
                pass

        calls.place(tool["name"], {k: v for k, v in given.items() if v is not None}, deliver)
        loop.call_soon(idle_soon, loop, calls, 3)
        return await future

    stub.__name__ = stub.__qualname__ = tool["ident"]
    stub.__doc__ = tool["description"]
    return stub


def idle_soon(loop, calls, turns):
    """What was ready ran before this did. A loop that has nothing else to run waits for us."""
    if not getattr(loop, "_ready", None):
        calls.idle()
    elif turns:
        loop.call_soon(idle_soon, loop, calls, turns - 1)


def namespace():
    module = types.ModuleType("__main__")
    scope = module.__dict__
    import typing

    for name in ("Any", "Callable", "Dict", "Iterable", "List", "Literal", "Optional", "Sequence", "Set", "Tuple", "Union"):
        scope[name] = getattr(typing, name)
    scope.update(asyncio=asyncio, json=json, os=os, sys=sys, ToolExecutionError=ToolExecutionError)
    sys.modules["__main__"] = module
    sys.argv = ["main.py"]
    return scope


def show_failure(error):
    """A traceback that begins in the program and leaves out what lies between it and its tools."""
    import traceback

    shown = traceback.TracebackException.from_exception(error)
    parts, seen = [shown], set()
    while parts:
        part = parts.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        frames = list(part.stack)
        first = next((i for i, frame in enumerate(frames) if frame.filename == PROGRAM), len(frames))
        part.stack[:] = [frame for frame in frames[first:] if frame.filename != RUNNER]
        parts += [part.__cause__, part.__context__]
    sys.stdout.flush()
    print("".join(shown.format()), end="", file=sys.stderr, flush=True)


def run_python(program, tools, calls):
    scope = namespace()
    for tool in tools:
        scope[tool["ident"]] = make_stub(tool, calls)
    linecache.cache[PROGRAM] = (len(program), None, program.splitlines(True), PROGRAM)
    try:
        code = compile(program, PROGRAM, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, scope))
        else:
            exec(code, scope)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except BaseException as error:
        show_failure(error)
        return 1
    return 0


CLIENT = r"""
import os, socket, sys
text = sys.stdin.buffer.read()
with socket.socket(socket.AF_UNIX) as s:
    s.connect(os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), 's'))
    s.sendall(sys.argv[1].encode() + b'\n' + text)
    s.shutdown(socket.SHUT_WR)
    answer = b''.join(iter(lambda: s.recv(65536), b''))
ok, body = answer[:1], answer[1:]
out = sys.stdout.buffer if ok == b'+' else sys.stderr.buffer
out.write(body + b'\n')
out.flush()
sys.exit(0 if ok == b'+' else 1)
"""


def serve_shell(server, calls):
    import socket

    def converse(conn):
        with conn:
            data = b"".join(iter(lambda: conn.recv(65536), b""))
            name, _, text = data.partition(b"\n")
            name = name.decode("utf-8", "replace")
            done = threading.Event()
            answer = []
            try:
                arguments = json.loads(text.decode("utf-8")) if text.strip() else {}
                if not isinstance(arguments, dict):
                    raise ValueError
                calls.place(name, arguments, lambda result: (answer.append(result), done.set()))
            except ValueError:
                answer.append({"error": f"{name}: the argument must be a JSON object"})
                done.set()
            done.wait()
            result = answer[0]
            if result.get("error") is None:
                reply = "+" + json.dumps(result.get("value"), ensure_ascii=False, separators=(",", ":"))
            else:
                reply = "-" + result["error"]
            try:
                conn.sendall(reply.encode("utf-8", "replace"))
            except OSError:
                pass

    while True:
        conn, _ = server.accept()
        threading.Thread(target=converse, args=(conn,), daemon=True).start()


def shell_settled():
    """True when no process but this one is running: then nothing can place another call by itself."""
    mine = str(os.getpid())
    try:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if pid == mine:
                continue
            try:
                with open(f"/proc/{pid}/stat", "rb") as stat:
                    if stat.read().rpartition(b")")[2].split()[0] in (b"R", b"D"):
                        return False
            except OSError:
                continue
    except OSError:
        pass
    return True


def run_bash(program, tools, calls):
    import shlex
    import socket
    import subprocess
    import tempfile

    base = tempfile.mkdtemp(prefix="tools-", dir="/tmp")
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{base}/s")
    server.listen(128)
    threading.Thread(target=serve_shell, args=(server, calls), daemon=True).start()
    python = shlex.quote(sys.executable)
    stubs = ["unset BASH_ENV\n"]
    for tool in tools:
        stubs.append(f"{tool['ident']}() {{ builtin printf '%s' \"${{1-}}\" | {python} -I -S {base}/c {shlex.quote(tool['name'])}; }}\n")
        stubs.append(f"export -f {tool['ident']}\n")
    for name, text in (("c", CLIENT), ("env", "".join(stubs)), ("main.sh", program)):
        with open(f"{base}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    child = subprocess.Popen(["bash", f"{base}/main.sh"], env={**os.environ, "BASH_ENV": f"{base}/env"})
    status = child.wait()
    return status if status >= 0 else 128 - status


def main():
    wire = Wire()
    start = wire.read()
    if start is None:
        sys.exit(75)
    output = Output(wire, start["out"])
    is_bash = start["lang"] == "bash"
    calls = Calls(wire, shell_settled if is_bash else lambda: True)
    status = (run_bash if is_bash else run_python)(start["code"], start["tools"], calls)
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread():
            thread.join()
    atexit._run_exitfuncs()
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    output.finish()
    os._exit(status)


main()
