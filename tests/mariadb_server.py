"""A MariaDB server of the tests' own, where the machine has the programs: it lies in a temporary folder, listens on
127.0.0.1, and is gone with the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))

# A server that lives as long as the tests need not survive a loss of power, and each test makes or empties a database.
_SETTINGS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-log-file-size=64M",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
)


def is_installed() -> bool:
    """Whether a server can be started here."""
    return None not in (_program("mariadbd"), _program("mariadb-install-db"))


@contextmanager
def running() -> Iterator[str]:
    """The URL of the server's own database: root, who needs no password."""
    folder = Path(tempfile.mkdtemp(prefix="ganchu-mariadb-"))
    as_root = ("--user=root",) if os.geteuid() == 0 else ()
    data = f"--datadir={folder / 'data'}"
    install = (
        _program("mariadb-install-db"),
        "--no-defaults",
        data,
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
    )
    try:
        made = subprocess.run([*map(str, install), *as_root], capture_output=True, text=True)
        if made.returncode:
            raise RuntimeError(f"the MariaDB server could not be installed: {made.stdout}{made.stderr}")
        port = _free_port()
        listening = ("--bind-address=127.0.0.1", f"--port={port}", f"--socket={folder / 'socket'}")
        start = [str(_program("mariadbd")), "--no-defaults", data, *listening, *_SETTINGS, *as_root]
        with subprocess.Popen(start, stderr=subprocess.PIPE, text=True) as server:
            try:
                _listen(server)
                yield f"mariadb+pymysql://root@127.0.0.1:{port}/mysql"
            finally:
                server.terminate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listen(server: "subprocess.Popen[str]") -> None:
    """Returns when the server says that it answers; what it says afterwards is read, so that it never waits for us."""
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if "ready for connections" in line:
            Thread(target=server.stderr.read, daemon=True).start()
            return
    raise RuntimeError(f"the MariaDB server did not start: {''.join(said)}")


def _program(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
