"""The public list: everything on it is there, and asking for help costs no torch."""

import subprocess
import sys

import isp_ns


def test_every_public_name_can_be_had():
    for name in isp_ns.__all__:
        assert getattr(isp_ns, name) is not None
    assert set(isp_ns.__all__) <= set(dir(isp_ns))


def test_importing_the_package_imports_nothing_heavy():
    program = "import isp_ns, sys; print(sorted({'torch', 'numpy', 'rawpy', 'kornia', 'colour'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
