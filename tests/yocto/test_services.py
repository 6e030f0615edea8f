"""The script for sysvinit, with the runtime and a simulated board."""
import json
import re
import unittest

from harness import *

BLINK = PROJECT / "tests/firmware/blink.elf"


class Script(unittest.TestCase):
    """A board with the script as it is, but for the paths in its first lines."""

    def board(self, kind, *bundles):
        work = Work()
        self.work = work.__enter__()
        self.addCleanup(work.__exit__)
        board = SimulatedBoard(self.work, kind)
        self.addCleanup(board.end)
        self.program = board.program
        for name, processor, firmware in bundles:
            spec = [self.program, "spec", "--bundle", self.work / "bundles" / name, "--processor", processor]
            subprocess.run([*spec, "--firmware", firmware], check=True)
        script = (LAYER / "recipes-containers/remoteproc-runtime/files/remoteproc-runtime.init").read_text()
        for line, path in (("bundles", "bundles"), ("runtime", "remoteproc-runtime"), ("log", "log"), ("manual", "manual")):
            script, count = re.subn(rf"^{line}=.*$", f"{line}={self.work / path}", script, flags=re.MULTILINE)
            self.assertEqual(count, 1, line)
        (self.work / "script").write_text(script)
        (self.work / "script").chmod(0o755)
        self.addCleanup(self.script, "stop")

    def script(self, verb):
        """Exit code and what standard error says."""
        done = subprocess.run([self.work / "script", verb], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, timeout=120)
        return done.returncode, done.stderr

    def states(self):
        said = subprocess.run([self.program, "list", "--format=json"], check=True, stdout=subprocess.PIPE).stdout
        return {container["id"]: container["status"] for container in json.loads(said) or []}

    def test_every_bundle_runs_from_start_to_stop(self):
        self.board("stm32mp15", ("blink", "m4", BLINK))
        self.assertEqual(self.script("start"), (0, ""))
        self.assertEqual(self.states(), {"blink": "running"})
        self.assertEqual(self.script("start"), (0, ""))
        self.assertEqual(self.script("restart"), (0, ""))
        self.assertEqual(self.states(), {"blink": "running"})
        self.assertEqual(self.script("stop"), (0, ""))
        self.assertEqual(self.states(), {})
        self.assertEqual(self.script("stop"), (0, ""))

    def test_one_that_does_not_run_is_named_and_the_others_run(self):
        self.board("stm32mp15", ("blink", "m4", BLINK), ("astray", "m7", BLINK))
        code, said = self.script("start")
        self.assertEqual(code, 1)
        self.assertEqual(said, f"remoteproc-runtime: not as it should be: astray: see {self.work}/log\n")
        self.assertIn("no processor of this name", (self.work / "log").read_text())
        self.assertEqual(self.states(), {"blink": "running"})

    def test_those_that_are_started_by_hand_are_left(self):
        self.board("stm32mp15", ("blink", "m4", BLINK), ("astray", "m7", BLINK))
        (self.work / "manual").mkdir()
        (self.work / "manual/astray").touch()
        self.assertEqual(self.script("start"), (0, ""))
        (self.work / "bundles/blink/manual").touch()
        self.assertEqual(self.script("stop"), (0, ""))
        self.assertEqual(self.states(), {"blink": "running"})
        (self.work / "bundles/blink/manual").unlink()

    def test_what_a_crash_has_left_is_replaced(self):
        self.board("stm32mp15", ("blink", "m4", BLINK))
        self.assertEqual(self.script("start"), (0, ""))
        remoteproc = self.work / "host/sys/kernel/debug/remoteproc/remoteproc0"
        (remoteproc / "recovery").write_text("disabled")
        (remoteproc / "crash").write_text("1")
        eventually(lambda: self.states() == {"blink": "stopped"})
        self.assertEqual(self.script("start"), (0, ""))
        self.assertEqual(self.states(), {"blink": "running"})

    def test_a_processor_that_has_to_wait_for_another_one_comes_after_it_and_goes_before(self):
        firmware = Path(tempfile.mkstemp(suffix=".elf")[1])
        self.addCleanup(firmware.unlink)
        firmware.write_bytes(for_r5f())
        # In the order of their names, the second core comes first.
        self.board("am64x", ("a-second", "r5f0-1", firmware), ("b-first", "r5f0-0", firmware))
        self.assertEqual(self.script("start"), (0, ""))
        self.assertEqual(self.states(), {"a-second": "running", "b-first": "running"})
        self.assertEqual(self.script("stop"), (0, ""))
        self.assertEqual(self.states(), {})


if __name__ == "__main__":
    unittest.main()
