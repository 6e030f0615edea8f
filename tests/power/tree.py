"""The files on an ext4 image, without root and without mounting it: e2fsck(8) goes through the journal as a boot does,
debugfs(8) hands the files out."""

import hashlib
import os
import shutil
import stat
import subprocess


class Broken(Exception):
    """The file system itself does not come back."""


def extract(image, scratch):
    """Goes through the journal of the file `image` and puts its files into the new folder `scratch`/tree."""
    tree = os.path.join(scratch, "tree")
    shutil.rmtree(tree, ignore_errors=True)
    os.mkdir(tree)
    check = tool("e2fsck", "-p", image)
    # 1: something was mended, as that which was deleted while it was open.
    if check.returncode > 1:
        raise Broken(f"e2fsck ended with {check.returncode}: {check.stdout.strip()}")
    dump = tool("debugfs", "-R", f"rdump / {tree}", image)
    problems = [line for line in dump.stderr.splitlines() if not line.startswith("debugfs 1.")]
    if problems:
        raise Broken(f"debugfs: {'; '.join(problems)}")
    shutil.rmtree(os.path.join(tree, "lost+found"))
    make_fifos(image, tree)
    return tree


def make_fifos(image, tree):
    """Which debugfs leaves out."""
    state = os.path.join(tree, "state")
    folders = sorted(os.listdir(state)) if os.path.isdir(state) else []
    for folder in folders:
        listed = tool("debugfs", "-R", f"ls -p /state/{folder}", image).stdout
        for line in listed.splitlines():
            # /INODE/MODE/UID/GID/NAME/SIZE/
            fields = line.split("/")
            if len(fields) > 5 and stat.S_ISFIFO(int(fields[2], 8)):
                os.mkfifo(os.path.join(state, folder, fields[5]))


def tool(name, *args):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    return subprocess.run([path, *args], capture_output=True, text=True, check=False)


def sum_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def fingerprint(tree):
    """What tells a tree from every other one."""
    lines = []
    for folder, folders, files in os.walk(tree):
        folders.sort()
        for name in sorted(folders + files):
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            content = ""
            if stat.S_ISLNK(mode):
                content = os.readlink(path)
            elif stat.S_ISREG(mode):
                content = sum_of(path)
            lines.append(f"{os.path.relpath(path, tree)}\0{stat.S_IFMT(mode)}\0{content}\n")
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
