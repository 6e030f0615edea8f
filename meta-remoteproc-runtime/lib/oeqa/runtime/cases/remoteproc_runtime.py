# SPDX-License-Identifier: MIT OR Apache-2.0
"""remoteproc-runtime in an image, for bitbake -c testimage: on a machine with processors or, as QEMU's, without."""

import json
import shlex

from oeqa.core.decorator.depends import OETestDepends
from oeqa.runtime.case import OERuntimeTestCase
from oeqa.runtime.decorator.package import OEHasPackage

BUNDLES = '/usr/lib/remoteproc-runtime/bundles'


class RemoteprocRuntimeTest(OERuntimeTestCase):
    def said(self, command, timeout=60):
        """What a command that must succeed prints."""
        status, output = self.target.run(command, timeout)
        self.assertEqual(status, 0, msg='%s: %s' % (command, output))
        return output

    @OETestDepends(['ssh.SSHTest.test_ssh'])
    @OEHasPackage(['remoteproc-runtime'])
    def test_version(self):
        self.assertIn('remoteproc-runtime', self.said('remoteproc-runtime --version'))

    @OETestDepends(['remoteproc_runtime.RemoteprocRuntimeTest.test_version'])
    def test_every_processor_has_an_alias(self):
        """By the profile that the image names or the device tree asks for."""
        for processor in json.loads(self.said('remoteproc-runtime processors --format json')):
            self.assertTrue(processor['aliases'], msg='%s is in no profile' % processor['name'])

    @OETestDepends(['remoteproc_runtime.RemoteprocRuntimeTest.test_version'])
    def test_nothing_keeps_containers_from_running(self):
        """But for processors, which not every machine has."""
        _, output = self.target.run('remoteproc-runtime doctor --format json')
        findings = json.loads(output)['findings']
        errors = [finding['text'] for finding in findings if finding['level'] == 'error' and finding['about'] != 'kernel']
        self.assertEqual(errors, [])

    @OETestDepends(['remoteproc_runtime.RemoteprocRuntimeTest.test_version'])
    def test_bundles_fit_and_run(self):
        """Each that the image starts at boot."""
        names = self.said('ls %s 2>/dev/null || true' % BUNDLES).split()
        if not names:
            self.skipTest('the image has no bundle')
        containers = json.loads(self.said('remoteproc-runtime list --format json')) or []
        running = {container['id'] for container in containers if container['status'] == 'running'}
        for name in names:
            bundle = shlex.quote('%s/%s' % (BUNDLES, name))
            self.said('remoteproc-runtime check %s' % bundle)
            status, _ = self.target.run('test -e %s/manual' % bundle)
            if status != 0:
                self.assertIn(name, running)

    @OETestDepends(['remoteproc_runtime.RemoteprocRuntimeTest.test_version'])
    @OEHasPackage(['podman'])
    def test_podman_knows_the_runtime(self):
        self.said('podman --runtime remoteproc info >/dev/null', 120)

    @OETestDepends(['remoteproc_runtime.RemoteprocRuntimeTest.test_version'])
    @OEHasPackage(['remoteproc-runtime-ptest'])
    def test_scenarios(self):
        status, output = self.target.run('/usr/lib*/remoteproc-runtime/ptest/run-ptest', 3600)
        failed = [line for line in output.splitlines() if line.startswith('FAIL: ')]
        self.assertEqual((status, failed), (0, []), msg=output[-4000:])
