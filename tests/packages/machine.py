"""A Debian of its own in a folder, with systemd as its first process (systemd-nspawn): what the tests of
the packages install into. Needs root."""
import pathlib
import re
import shlex
import signal
import subprocess
import tempfile
import time

BOOT_S = 60
COMMAND_S = 300


def cgroups():
    """The roots of the cgroup hierarchies, whichever version."""
    kinds = ("cgroup", "cgroup2")
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    return [pathlib.Path(m[1]) for m in mounts if m[2] in kinds]


class Machine:
    def __init__(self, base):
        """base: a tar archive of a root."""
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="textmill-machine-"))
        self.root = self.folder / "root"
        self.root.mkdir()
        subprocess.run(["tar", "-xpf", base, "-C", self.root], check=True)
        self.process = self.leader = None
        self.groups = [root / self.folder.name for root in cgroups()]

    def boot(self):
        for group in self.groups:
            group.mkdir(exist_ok=True)
        enter = "".join(f"echo $$ >{shlex.quote(str(g / 'cgroup.procs'))} || true; " for g in self.groups)
        with open(self.folder / "log", "wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", enter + 'exec systemd-nspawn -q -D "$0" --boot --register=no --keep-unit --private-network '
                 "--console=pipe", self.root], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + BOOT_S
        while "running" not in (state := self.state()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise OSError(f"the machine does not come up ({state}): {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def state(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        try:
            self.leader = children.read_text().split()[0]
        except (OSError, IndexError):
            return "no process yet"
        return self.sh("systemctl is-system-running", None).stdout

    def sh(self, command, code=0, **env):
        """Runs a command line in it, as root. code: what it must end with, None for whatever."""
        done = subprocess.run(
            ["nsenter", "-t", self.leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "env", "-i", "HOME=/root",
             "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
             *(f"{k}={v}" for k, v in env.items()), "sh", "-c", "cd /root && " + command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=COMMAND_S)
        if code is not None and done.returncode != code:
            raise AssertionError(f"{command}: exit code {done.returncode}, not {code}:\n{done.stdout[-3000:]}")
        return done

    def close(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for group in self.groups:
            for folder in sorted(group.rglob("*"), reverse=True):
                if folder.is_dir():
                    folder.rmdir()
            if group.exists():
                group.rmdir()
        subprocess.run(["rm", "-rf", "--one-file-system", self.folder], check=True)


def transcript(page):
    """The commands of a page's console blocks, each with what it says that it prints."""
    steps = []
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", page):
        for step in re.split(r"(?m)^# ", block)[1:]:
            if here := re.match(r"(?s)(.*?<<'(\w+)'\n.*?^\2\n)(.*)", step, re.M):
                steps.append((here[1], here[3]))
            else:
                command, _, output = step.partition("\n")
                steps.append((command, output))
    return steps


def matches(expected, output):
    """Whether output is what a page shows, … standing for anything."""
    return re.fullmatch(".*".join(re.escape(part) for part in expected.strip().split("…")), output.strip(), re.S)
