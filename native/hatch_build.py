"""Puts the extension module of the engine `native` into the project's wheel, beside the engine; hatchling runs this.

Where there is no C compiler the wheel is pure Python, and the engine says what it lacks. An editable installation is
one of a checkout, where the module is built in place when somebody asks for it.
"""

import pathlib
import subprocess
import sys
import sysconfig
import tempfile

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        self.folder = tempfile.TemporaryDirectory()
        if version == "editable" or sys.implementation.name != "cpython":
            return
        setup = pathlib.Path(self.root, "native", "setup.py")
        folder = pathlib.Path(self.folder.name)
        options = ["--build-lib", str(folder / "built"), "--build-temp", str(folder / "objects")]
        done = subprocess.run([sys.executable, str(setup), "-q", "build_ext", *options], capture_output=True, text=True)
        built = sorted((folder / "built").glob("_microgpt_native*"))
        if not built:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            self.app.display_warning(f"the engine native is left out, as its C extension does not build: {last}")
            return
        build_data["force_include"][str(built[0])] = f"engines/{built[0].name}"
        build_data["pure_python"] = False
        if ".abi3." in built[0].name:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"cp310-abi3-{platform}"
        else:
            build_data["infer_tag"] = True

    def finalize(self, version, build_data, artifact_path):
        self.folder.cleanup()
