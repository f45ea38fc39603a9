"""A real Slurm of two hosts on this machine, for tests: its own munge, controller and daemons, in a folder."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "sinfo", "scontrol")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
HOSTS = ("n1", "n2")
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=30
OverTimeLimit=0
MpiDefault=none
JobCompType=jobcomp/none
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=one Nodes=n1 MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no Slurm can be started here, empty where it can."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]
    if missing:
        return f"no {missing[0]} here: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "Slurm's daemons are started as root"


class Slurm:
    """A running Slurm.

    Args:
        folder: Of its own; short, for sockets lie in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        (folder / "state").mkdir(parents=True)
        key = folder / "munge.key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        text = CONF.format(host=socket.gethostname().partition(".")[0], folder=folder, ports=free_ports(3),
                           cpus=os.cpu_count())  # fmt: skip
        (folder / "slurm.conf").write_text(text)

    def call(self, *command: str) -> str:
        """What one of Slurm's programs prints."""
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=60).stdout

    def start(self) -> None:
        """Start all, and wait until its hosts are idle."""
        own = {name: str(self.folder / f"munge.{name}") for name in ("key", "socket", "pid", "log", "seed")}
        self.call("munged", "--force", f"--key-file={own['key']}", f"--socket={own['socket']}",
                  f"--pid-file={own['pid']}", f"--log-file={own['log']}", f"--seed-file={own['seed']}")  # fmt: skip
        self.start_controller("-i")
        for name in HOSTS:
            self.call("slurmd", "-N", name)
        self.wait_for("idle")

    def start_controller(self, *options: str) -> None:
        """Start the controller, anew with its state where it had one."""
        self.call("slurmctld", *options)

    def stop_controller(self) -> None:
        """End the controller alone, which keeps what it knows: its jobs go on."""
        self.kill("slurmctld", signal.SIGTERM)

    def wait_for(self, state: str) -> None:
        """Wait until all hosts are in a state."""
        for _ in range(120):
            with contextlib.suppress(subprocess.CalledProcessError):
                if set(self.call("sinfo", "--noheader", "--Node", "--format", "%T").split()) == {state}:
                    return
            time.sleep(0.25)
        raise TimeoutError(f"Slurm's hosts are not {state}: {self.call('sinfo')}")

    def kill(self, name: str, by: signal.Signals = signal.SIGKILL) -> None:
        """End a daemon by the number that it left, and wait until it is gone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, ValueError):
            number = int((self.folder / f"{name}.pid").read_text())
            os.kill(number, by)
            for _ in range(600):
                os.kill(number, 0)
                time.sleep(0.05)

    def stop(self) -> None:
        """End all jobs and daemons."""
        with contextlib.suppress(subprocess.SubprocessError):
            self.call("scancel", "--me")
            for _ in range(40):
                if not self.call("squeue", "--noheader").strip():
                    break
                time.sleep(0.25)
        for name in ("slurmctld", *(f"slurmd-{host}" for host in HOSTS), "munge"):
            self.kill(name)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """A Slurm while it is needed."""
    slurm = Slurm(folder)
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()
