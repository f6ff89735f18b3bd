"""Against the files of the host: none to be read but the interpreter's, none to be written."""

from tracegen.sandbox.attacks import CALL, Attack, number

EVERY = """
import os
got = []
for path in {paths}:
    try:
        {action}
    except OSError:
        continue
    got.append(path)
if not got:
    raise SystemExit("all refused")
print(got)
"""


def _each(name: str, tries: str, paths: str, action: str) -> Attack:
    return Attack(f"files/{name}", tries, EVERY.format(paths=paths.split(), action=action))


ATTACKS = [
    Attack("files/canary", "reads a file of the host's by its name", "print(open(CANARY).read())\n"),
    Attack(
        "files/canary_through_proc",
        "reads a file of the host's through the roots of processes",
        "import os\n"
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdigit() and os.path.exists(f'/proc/{pid}/root' + CANARY):\n"
        "        raise SystemExit(print(open(f'/proc/{pid}/root' + CANARY).read()))\n"
        "raise SystemExit('not there')\n",
    ),
    _each(
        "secrets",
        "reads where secrets usually lie",
        "/etc/shadow /etc/passwd /etc/ssl/private /root/.ssh /root/.netrc /root/.aws/credentials /var/run/docker.sock "
        "/root/.cache/huggingface/token /root/.git-credentials /run/secrets",
        "os.listdir(path) if os.path.isdir(path) else open(path).read()",
    ),
    _each("homes", "lists other people's folders", "/ /root /home /var /mnt /opt", "os.listdir(path)"),
    _each(
        "write",
        "writes outside of the temporary folders",
        "/x /usr/lib/x /etc/x /dev/x /root/x /proc/sys/kernel/core_pattern /sys/x /var/tmp/x",
        "open(path, 'w').write('x')",
    ),
    Attack(
        "files/interpreter", "changes the interpreter's own library", "import os\nopen(os.__file__, 'a').write('#')\n"
    ),
    Attack(
        "files/rename",
        "moves a folder of the root aside",
        "import os\nos.rename('/usr', '/usr2')\n",
    ),
    _each(
        "devices",
        "opens the machine's devices",
        "/dev/mem /dev/kmsg /dev/vda /dev/sda /dev/tty /dev/ptmx /dev/fuse /dev/kvm /dev/net/tun /proc/kcore "
        "/proc/kallsyms /proc/sysrq-trigger /proc/kmsg",
        "os.open(path, os.O_RDONLY)",
    ),
    Attack(
        "files/mknod",
        "makes a device of its own",
        "import os, stat\nos.mknod('/tmp/disk', 0o666 | stat.S_IFBLK, os.makedev(8, 0))\n",
    ),
    Attack(
        "files/symlink",
        "goes to the host's files over a link in /tmp",
        "import os\nos.symlink(CANARY, '/tmp/link')\nprint(open('/tmp/link').read())\n",
    ),
    Attack(
        "files/dotdot",
        "goes up from where it stands",
        "print(open('../' * 40 + CANARY).read())\n",
    ),
    Attack(
        "files/descriptors",
        "finds a folder of the host's open in its own process",
        "import os\n"
        "for file in range(3, 4096):\n"
        "    try:\n"
        "        os.fstat(file)\n"
        "    except OSError:\n"
        "        continue\n"
        "    raise SystemExit(0)\n"
        "raise SystemExit('nothing is open')\n",
    ),
    Attack(
        "files/handle",
        "opens a file by its handle, past all names",
        CALL + f"call({number('open_by_handle_at')}, 0, 0, 0)\n",
    ),
    Attack(
        "files/setuid",
        "runs a program of its own with another's rights",
        "import os, shutil, sys\n"
        "shutil.copy(os.path.realpath('/proc/self/exe'), '/tmp/python')\n"
        "os.chmod('/tmp/python', 0o6755)\n"
        "code = 'import os; raise SystemExit(0 if 0 in os.getresuid() else 7)'\n"
        "raise SystemExit(os.spawnv(os.P_WAIT, '/tmp/python', ['python', '-c', code]))\n",
    ),
    Attack(
        "files/leftover",
        "leaves files for the next program",
        "import os\n"
        "for folder in ('/tmp', '/dev/shm'):\n"
        "    open(folder + '/sitecustomize.py', 'w').write('print(1)')\n"
        "    os.symlink('/usr', folder + '/link')\n",
        ends="harmless",
    ),
    Attack(
        "files/environment",
        "looks for secrets in every environment that it can read",
        "import os\n"
        "print(dict(os.environ))\n"
        "for pid in os.listdir('/proc'):\n"
        "    if pid.isdigit():\n"
        "        print(open(f'/proc/{pid}/environ', 'rb').read())\n",
        ends="harmless",
    ),
]
