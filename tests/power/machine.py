"""The machine that boots after the cut: its processor is off, and its boot has another id. It stands at the place that
the records name, in a mount namespace of the judge's own."""

import json
import os
import re
import shutil
import subprocess

BOOT = "b0010000-0000-4000-8000-000000000001"


class Machine:
    def __init__(self, place, device, name, binary):
        self.place, self.binary = place, binary
        self.state, self.firmware = os.path.join(place, "disk/state"), os.path.join(place, "disk/firmware")
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "power", place], check=True)
        processor = os.path.join(place, "sys/class/remoteproc/remoteproc0")
        files = {
            "proc/sys/kernel/random/boot_id": f"{BOOT}\n",
            "sys/module/firmware_class/parameters/path": "/disk/firmware\n",
            f"{processor}/name": f"{name}\n",
            f"{processor}/state": "offline\n",
            f"{processor}/firmware": "(null)\n",
            f"{processor}/recovery": "enabled\n",
            f"{processor}/coredump": "disabled\n",
        }
        for path, text in files.items():
            path = os.path.join(place, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        os.makedirs(place + device)
        os.symlink(place + device, os.path.join(processor, "device"))
        self.make_bundle(name)

    def make_bundle(self, name):
        """Of the firmware that the guest's containers have."""
        self.bundle = os.path.join(self.place, "bundle")
        os.makedirs(os.path.join(self.bundle, "rootfs"))
        config = {
            "ociVersion": "1.2.0",
            "root": {"path": "rootfs"},
            "process": {"args": ["fw.elf"], "cwd": "/"},
            # Whatever the board of its own would say to it.
            "annotations": {"remoteproc.name": name, "remoteproc.firmware-check": "off"},
        }
        with open(os.path.join(self.bundle, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)

    def take_firmware(self, path):
        shutil.copy(path, os.path.join(self.bundle, "rootfs/fw.elf"))

    def put(self, tree):
        """The disk as it is found."""
        disk = os.path.join(self.place, "disk")
        shutil.rmtree(disk, ignore_errors=True)
        # No FIFO is read for that.
        subprocess.run(["cp", "-a", tree, disk], check=True)
        for folder in (self.state, self.firmware):
            os.makedirs(folder, mode=0o700, exist_ok=True)

    def run(self, *args):
        """The binary's exit code, and what it says on both outputs: files, since a proxy keeps them open."""
        out, err = os.path.join(self.place, "out"), os.path.join(self.place, "err")
        with open(out, "w", encoding="utf-8") as stdout, open(err, "w", encoding="utf-8") as stderr:
            line = [self.binary, "--root", self.state, "--host-root", self.place, *args]
            code = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, check=False).returncode
        reap()
        with open(out, encoding="utf-8") as stdout, open(err, encoding="utf-8") as stderr:
            return code, stdout.read(), stderr.read()

    def create(self, id_):
        return self.run("create", "--bundle", self.bundle, id_)

    def is_stored_name(self, name):
        return re.fullmatch(r"fw\.elf-\d{8}T\d{6}Z-[0-9a-f]{16}", name) is not None


def reap():
    """This process is the first of its namespace: proxies that have ended are its own."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
