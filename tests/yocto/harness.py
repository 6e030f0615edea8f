"""The layer as BitBake's own parser reads it, with the stubs beside in place of OpenEmbedded-Core."""
import contextlib
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
LAYER = PROJECT / "meta-remoteproc-runtime"
# What `cargo build` leaves.
PROGRAMS = Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "debug"

# The package has no servers, which parsing does not need.
for name in ("hashserv", "hashserv.client", "prserv", "prserv.serv"):
    sys.modules.setdefault(name, types.ModuleType(name))
sys.modules["hashserv"].client = sys.modules["hashserv.client"]

import bb.build
import bb.cache
import bb.data
import bb.fetch2
import bb.parse
import bb.process
import bb.utils

FOLDERS = ("recipes-*/*", "dynamic-layers/*/recipes-*/*")
RECIPES = sorted(path for folder in FOLDERS for path in LAYER.glob(f"{folder}/*.bb"))
APPENDS = sorted(path for folder in FOLDERS for path in LAYER.glob(f"{folder}/*.bbappend"))


def recipe(name):
    """The path of the recipe of this name."""
    (found,) = [path for path in RECIPES if path.stem.split("_")[0] == name]
    return found


class Work:
    """A scratch folder, gone at the end."""

    def __enter__(self):
        self.path = Path(tempfile.mkdtemp(prefix="remoteproc-yocto-"))
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def parsed(path, work, overrides="", native=False, append=None, **variables):
    """What BitBake makes of a recipe for a machine with these overrides; __ stands for the colon in a variable's name."""
    d = bb.data.init()
    d.setVar("BBPATH", f"{HERE / 'stub'}:{LAYER}")
    d.setVar("TOPDIR", str(work))
    d.setVar("WORKDIR", str(work))
    d.setVar("__bbclasstype", "recipe")
    d.setVar("BB_ORIGENV", bb.data.init())
    bb.parse.init_parser(d)
    bb.parse.handle("conf/bitbake.conf", d, True)
    bb.parse.handle("classes/base.bbclass", d, True)
    d.setVar("MACHINEOVERRIDES", overrides)
    if native:
        d.setVar("CLASSOVERRIDE", "class-native")
    for name, value in variables.items():
        d.setVar(name.replace("__", ":"), value)
    if append:
        d.setVar("__BBAPPEND", str(append))
    return bb.parse.handle(str(path), d)[""]


def native_tools(work):
    """What remoteproc-runtime-native brings to the recipes of firmware."""
    shared = work / "native/usr/share/remoteproc-runtime"
    (work / "native/usr/bin").mkdir(parents=True)
    (work / "native/usr/bin/remoteproc-runtime").symlink_to(PROGRAMS / "remoteproc-runtime")
    shutil.copytree(PROJECT / "boards", shared / "boards")
    shutil.copy(LAYER / "recipes-containers/remoteproc-runtime/files/remoteproc-runtime@.service", shared)


class Failed(Exception):
    """A task that failed, with what was said until then."""


def run(d, *tasks):
    """Runs tasks with what goes before and after each, as BitBake does; gives what they said."""
    d.setVar("PATH", f"{d.getVar('STAGING_BINDIR_NATIVE')}:{os.environ['PATH']}")
    for folder in ("T", "B", "D", "DEPLOYDIR"):
        Path(d.getVar(folder)).mkdir(parents=True, exist_ok=True)
    said = io.StringIO()
    for task in tasks:
        if task == "do_install":
            shutil.rmtree(d.getVar("D"))
            Path(d.getVar("D")).mkdir()
        functions = [d.getVarFlag(task, "prefuncs") or "", task, d.getVarFlag(task, "postfuncs") or ""]
        for function in " ".join(functions).split():
            try:
                with contextlib.redirect_stdout(said):
                    bb.build.exec_func(function, d)
            except (bb.BBHandledException, bb.process.ExecutionError) as error:
                raise Failed(said.getvalue()) from error
    return said.getvalue()


def unpack(d):
    """Puts the files of SRC_URI that lie beside the recipe where BitBake's fetcher puts them."""
    to = Path(d.getVar("UNPACKDIR") or d.getVar("WORKDIR"))
    for address in d.getVar("SRC_URI").split():
        if not address.startswith("file://"):
            continue
        _, _, path, _, _, parameters = bb.fetch2.decodeurl(address)
        found = bb.utils.which(d.getVar("FILESPATH"), path)
        if not found:
            raise FileNotFoundError(f"{d.getVar('FILE')}: {address}: not in FILESPATH")
        target = to / parameters.get("subdir", ".") / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(found).is_dir():
            shutil.copytree(found, target)
        else:
            shutil.copy(found, target)


def for_r5f():
    """A firmware for a Cortex-R5F: blink's, with its code in the ATCM and its data where the BTCM is."""
    elf = bytearray((PROJECT / "tests/firmware/blink.elf").read_bytes())
    (at,) = struct.unpack_from("<I", elf, 28)
    size, count = struct.unpack_from("<HH", elf, 42)
    moved = {0x00000000: 0x41010000, 0x10000000: 0x00000100, 0x10010000: 0x41011000}
    for header in range(at, at + size * count, size):
        for field in (8, 12):
            (address,) = struct.unpack_from("<I", elf, header + field)
            struct.pack_into("<I", elf, header + field, moved[address])
    return bytes(elf)


def eventually(holds):
    """Waits until it does."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    raise TimeoutError("it does not come about")


class SimulatedBoard:
    """A board below WORK/host, and in WORK the program that takes it for the machine."""

    def __init__(self, work, kind):
        (work / "host").mkdir()
        command = [PROGRAMS / "simulated-board", "--board", kind, work / "host"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: (work / "host/sys/class/remoteproc").exists())
        self.program = work / "remoteproc-runtime"
        roots = f"--host-root {work}/host --root {work}/state"
        self.program.write_text(f'#!/bin/sh\nexec {PROGRAMS}/remoteproc-runtime {roots} "$@"\n')
        self.program.chmod(0o755)

    def end(self):
        self.process.terminate()
        self.process.wait()
