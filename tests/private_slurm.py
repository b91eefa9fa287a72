"""A private Slurm for the tests: munge, slurmctld and slurmd (with slurmdbd and MariaDB if jobs are accounted).

    python tests/private_slurm.py install      installs the Debian packages, as root; starts no service

All daemons listen on free ports of 127.0.0.1 and keep their files in one temporary folder, so several private clusters
can run at once, next to an installed one. When the test process ends, however it ends, a keeper process ends the
daemons and the jobs and removes the folder. Neither systemd nor cgroups are needed.
"""

import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from getpass import getuser
from pathlib import Path

SLURM = {"munged": "munge", "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
ACCOUNTING = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
CONF = """
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
CredType=cred/munge
# a requeued job waits until its credential expires; 5 s is the shortest time that Slurm accepts
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MaxArraySize={array}
MaxJobCount=20000
KillWait=5
SlurmctldTimeout=60
SlurmdTimeout=60
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
# a preempted job gets its own signal, then has GraceTime, then is requeued
SlurmctldParameters=preempt_send_user_signal
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=20
PartitionName=high Nodes=ALL MaxTime=INFINITE PriorityTier=100 PreemptMode=OFF
"""
ACCOUNTED = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge.sock
"""
DBD = """
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CommunicationParameters=NoInAddrAny
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={storage}
StorageUser=slurm
StoragePass={password}
"""
MARIADB = """
[mariadbd]
datadir={folder}/database
socket={folder}/database.sock
pid-file={folder}/database.pid
bind-address=127.0.0.1
port={storage}
skip-name-resolve
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_lock_wait_timeout=900
innodb_flush_log_at_trx_commit=2
"""


class CannotStart(Exception):
    """Slurm cannot run here; the argument gives the reason in one sentence."""


class PrivateSlurm:
    """A cluster of `nodes` nodes named n1, n2, …: `start` it, set `SLURM_CONF` to `conf` to use it, then `stop` it."""

    def __init__(self, nodes: int = 2, cpus: int = 2, array: int = 1001, *, accounting: bool = False):
        self.names = [f"n{number}" for number in range(1, nodes + 1)]
        self.cpus, self.array, self.accounting = cpus, array, accounting
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.conf = self.folder / "slurm.conf"
        self.daemons: dict[str, subprocess.Popen[bytes]] = {}
        keeper = [sys.executable, __file__, "keep", str(self.folder)]
        self.keeper = subprocess.Popen(keeper, stdin=subprocess.PIPE, start_new_session=True)

    def start(self) -> None:
        """Start the daemons. Raises CannotStart if a package is missing or a daemon does not answer."""
        missing = missing_packages(accounting=self.accounting)
        if missing:
            raise CannotStart(
                f"Debian packages are missing: {' '.join(missing)}; as root: python tests/private_slurm.py install"
            )
        try:
            self._write_conf()
            self._start_munge()
            if self.accounting:
                self._start_database()
            self.start_controller()
            for name in self.names:
                (self.folder / f"spool-{name}").mkdir()
                self._spawn(name, "slurmd", "-D", "-N", name, "-f", str(self.conf))
            self._wait("the nodes", 60, self._nodes_are_up)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs, end the daemons and remove the folder."""
        if "slurmctld" in self.daemons:
            self.clear()
        for name in reversed(list(self.daemons)):
            self._end(name)
        assert self.keeper.stdin
        self.keeper.stdin.close()
        self.keeper.wait()

    def clear(self) -> None:
        """Cancel all jobs and wait until they are gone."""
        with suppress(CannotStart):
            self.ask("scancel", "--user", getuser())
            self._wait("the end of the jobs", 30, lambda: not self.ask("squeue", "-h", "-o", "%i"))

    def ask(self, *command: str) -> str:
        """Return the output of a Slurm client command, empty if it fails."""
        with suppress(subprocess.TimeoutExpired):
            return subprocess.run(command, capture_output=True, text=True, timeout=20, env=self.env()).stdout.strip()
        return ""

    def env(self) -> dict[str, str]:
        """Return an environment in which clients find this cluster, even if this process is a job of another one."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
        return {**outside, "PATH": PATH, "SLURM_CONF": str(self.conf)}

    def start_controller(self) -> None:
        """Start slurmctld; it takes over the jobs of an earlier slurmctld."""
        self._spawn("slurmctld", "slurmctld", "-D", "-f", str(self.conf))
        self._wait("slurmctld", 30, lambda: "is UP" in self.ask("scontrol", "ping"))

    def kill_controller(self) -> None:
        """kill -9 slurmctld."""
        self.daemons["slurmctld"].kill()
        self.daemons.pop("slurmctld").wait()

    def kill_accounting(self) -> None:
        """kill -9 slurmdbd."""
        self.daemons["slurmdbd"].kill()
        self.daemons.pop("slurmdbd").wait()

    def _write_conf(self) -> None:
        count = len(self.names)
        port, dbd, storage, *own = free_ports(3 + count)
        facts = {"folder": self.folder, "user": getuser(), "host": socket.gethostname().split(".")[0]}
        text = CONF.format(port=port, array=self.array, **facts)
        if self.accounting:
            text += ACCOUNTED.format(port=dbd, **facts)
            password = secrets.token_hex(12)
            _write_private(self.folder / "password", password)
            dbd_conf = DBD.format(port=dbd, storage=storage, password=password, **facts)
            _write_private(self.folder / "slurmdbd.conf", dbd_conf)
            _write_private(self.folder / "mariadb.conf", MARIADB.format(storage=storage, **facts))
        for name, number in zip(self.names, own, strict=True):
            text += f"NodeName={name} NodeHostname={facts['host']} NodeAddr=127.0.0.1 Port={number} CPUs={self.cpus}\n"
        self.conf.write_text(text)
        (self.folder / "state").mkdir()
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o600)

    def _start_munge(self) -> None:
        at = {"socket": "munge.sock", "key-file": "munge.key", "log-file": "munged.own.log", "pid-file": "munged.pid"}
        flags = [f"--{name}={self.folder / file}" for name, file in {**at, "seed-file": "munged.seed"}.items()]
        self._spawn("munged", "munged", "--foreground", "--force", "--origin=127.0.0.1", *flags)
        ready = ["munge", "-S", str(self.folder / "munge.sock"), "-n"]
        self._wait("munged", 10, lambda: bool(self.ask(*ready)))

    def _start_database(self) -> None:
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=16M"]
        made = ["mariadb-install-db", "--no-defaults", *as_root, f"--datadir={self.folder / 'database'}", *options]
        subprocess.run(made, env=self.env(), capture_output=True, check=True)
        self._spawn("mariadbd", "mariadbd", f"--defaults-file={self.folder / 'mariadb.conf'}", *as_root)
        client = ["mariadb", "--no-defaults", f"--socket={self.folder / 'database.sock'}", "-u", "root", "-e"]
        self._wait("MariaDB", 60, lambda: "1" in self.ask(*client, "select 1"))
        password = (self.folder / "password").read_text()
        self.ask(
            *client,
            f"create user slurm@'127.0.0.1' identified by '{password}';"
            "create database slurm_acct_db; grant all on slurm_acct_db.* to slurm@'127.0.0.1'",
        )
        self.start_accounting()
        self.ask("sacctmgr", "-i", "-Q", "add", "cluster", "private")

    def start_accounting(self) -> None:
        """Start slurmdbd."""
        self._spawn("slurmdbd", "slurmdbd", "-D")  # it reads slurmdbd.conf from the folder of $SLURM_CONF
        self._wait("slurmdbd", 60, lambda: "Cluster" in self.ask("sacctmgr", "show", "cluster"))

    def _spawn(self, name: str, *command: str) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self.daemons[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.env(),
                start_new_session=True,  # Ctrl-C must not reach them: `stop` ends them in order
            )

    def _end(self, name: str) -> None:
        daemon = self.daemons.pop(name)
        daemon.terminate()
        try:
            daemon.wait(timeout=10)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()

    def _nodes_are_up(self) -> bool:
        states = self.ask("sinfo", "-h", "-N", "-p", "high", "-o", "%t").split()
        return states == ["idle"] * len(self.names)

    def _wait(self, what: str, seconds: float, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text(errors="replace")[-600:] for path in self.folder.glob("*.log"))
                raise CannotStart(f"{what} was not ready within {seconds:g} s\n{logs}")
            time.sleep(0.1)


def missing_packages(*, accounting: bool) -> list[str]:
    """Return the Debian packages whose programs are missing."""
    needed = {**SLURM, **ACCOUNTING} if accounting else SLURM
    return [package for program, package in needed.items() if shutil.which(program, path=PATH) is None]


def install() -> None:
    """Install the packages without starting their services. Raises CannotStart if that is not possible."""
    packages = missing_packages(accounting=True)
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CannotStart("only root on Debian or Ubuntu can install the packages")
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=env, check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=env, check=True)
    except subprocess.CalledProcessError as error:
        raise CannotStart(f"{' '.join(error.cmd[:2])} failed") from error
    finally:
        if made:
            policy.unlink()


def free_ports(count: int) -> list[int]:
    """Return free ports of 127.0.0.1, below the range that the system gives to clients."""
    found: list[int] = []
    for port in random.SystemRandom().sample(range(12000, 30000), 1000):
        with suppress(OSError), socket.socket() as tried:
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise CannotStart("no ports are free")


def _write_private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)


def keep(folder: Path) -> None:
    """Wait until the test process closes our standard input or ends; then end the rest of its cluster.

    Daemons and jobs are found by the path of the configuration in their environment, because their parent may be gone.
    """
    sys.stdin.read()
    mark = f"SLURM_CONF={folder}/".encode()
    for _ in range(2):  # a job may start a process during the first pass
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def main(*arguments: str) -> None:
    """Run the command line."""
    match arguments:
        case ["install"]:
            install()
        case ["keep", folder]:
            keep(Path(folder))
        case _:
            print(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CannotStart as error:
        sys.exit(f"private_slurm: {error}")
