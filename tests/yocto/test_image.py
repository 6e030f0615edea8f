"""What tests an image: the cases of testimage and the package of scenarios, with a simulated board for the image."""
import importlib.util
import unittest

from harness import *

FILES = LAYER / "recipes-containers/remoteproc-runtime/files"
CASES = LAYER / "lib/oeqa/runtime/cases/remoteproc_runtime.py"


def decorator(*_):
    return lambda function: function


def cases():
    """The module of the layer, with what it takes of OpenEmbedded-Core's test framework in stubs."""
    stubs = {
        "oeqa.core.decorator.depends": {"OETestDepends": decorator},
        "oeqa.runtime.case": {"OERuntimeTestCase": unittest.TestCase},
        "oeqa.runtime.decorator.package": {"OEHasPackage": decorator},
    }
    for name, content in stubs.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(content)
    spec = importlib.util.spec_from_file_location("remoteproc_runtime", CASES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Target:
    """A machine that is this one, with the programs of a folder before its own."""

    def __init__(self, programs):
        self.environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(self, command, timeout=None):
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run(command, shell=True, env=self.environment, timeout=timeout, text=True, **out)
        return done.returncode, done.stdout


class Cases(unittest.TestCase):
    def setUp(self):
        work = Work()
        self.work = work.__enter__()
        self.addCleanup(work.__exit__)
        board = SimulatedBoard(self.work, "stm32mp15")
        self.addCleanup(board.end)
        self.program = board.program

    def play(self, *names):
        """The failures and errors of these cases, and the skipped."""
        module = cases()
        module.BUNDLES = str(self.work / "bundles")
        module.RemoteprocRuntimeTest.target = Target(self.work)
        result = unittest.TestResult()
        unittest.TestSuite(module.RemoteprocRuntimeTest(f"test_{name}") for name in names).run(result)
        return [text for _, text in result.failures + result.errors], [reason for _, reason in result.skipped]

    def test_a_board_as_it_should_be_passes(self):
        names = ("version", "every_processor_has_an_alias", "nothing_keeps_containers_from_running", "bundles_fit_and_run")
        self.assertEqual(self.play(*names), ([], ["the image has no bundle"]))

    def test_a_bundle_has_to_run(self):
        bundle = self.work / "bundles/blink"
        spec = [self.program, "spec", "--bundle", bundle, "--processor=m4"]
        subprocess.run([*spec, "--firmware", PROJECT / "tests/firmware/blink.elf"], check=True)
        failures, _ = self.play("bundles_fit_and_run")
        self.assertIn("'blink' not found in", failures[0])
        subprocess.run([self.program, "run", "--detach", "--bundle", bundle, "blink"], check=True, stderr=subprocess.DEVNULL)
        self.assertEqual(self.play("bundles_fit_and_run"), ([], []))
        subprocess.run([self.program, "delete", "--force", "blink"], check=True)
        (bundle / "manual").touch()
        self.assertEqual(self.play("bundles_fit_and_run"), ([], []))

    def test_what_keeps_containers_from_running_fails(self):
        (self.work / "host/lib/firmware").chmod(0o555)
        (self.work / "state").write_text("in the way")
        failures, _ = self.play("nothing_keeps_containers_from_running")
        self.assertEqual(len(failures), 1)


class Scenarios(unittest.TestCase):
    """run-ptest with a program that speaks as the scenarios do."""

    def run_ptest(self, said, code):
        with Work() as work:
            shutil.copy(FILES / "run-ptest", work)
            (work / "scenarios").write_text(f"#!/bin/sh\ncat <<'END'\n{said}END\nexit {code}\n")
            (work / "scenarios").chmod(0o755)
            done = subprocess.run([work / "run-ptest"], stdout=subprocess.PIPE, text=True)
            return done.returncode, done.stdout.splitlines()

    def test_outcomes_are_told_as_ptest_runner_reads_them(self):
        said = "running 3 tests\ntest a::b ... ok\ntest a::c ... FAILED\ntest d ... ignored, takes long\n"
        expected = ["running 3 tests", "PASS: a::b", "FAIL: a::c", "SKIP: d"]
        self.assertEqual(self.run_ptest(said, 101), (101, expected))
        self.assertEqual(self.run_ptest("test a ... ok\n", 0), (0, ["PASS: a"]))

    def test_a_program_that_does_not_run_fails(self):
        with Work() as work:
            shutil.copy(FILES / "run-ptest", work)
            done = subprocess.run([work / "run-ptest"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 127)


if __name__ == "__main__":
    unittest.main()
