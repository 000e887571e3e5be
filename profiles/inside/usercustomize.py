# SPDX-License-Identifier: Apache-2.0
"""In a jail with an image: matplotlib gets the list of fonts that the image's build made."""
import sys


class _Fonts:
    """Waits for matplotlib's font manager and costs nothing before."""

    def find_spec(self, name, path=None, target=None):
        if name == "matplotlib.font_manager":
            sys.meta_path.remove(self)
            _bring()
        return None


def _bring():
    import os
    made, want = "/usr/share/sbx/matplotlib", os.environ.get("MPLCONFIGDIR")
    try:
        if want:
            os.makedirs(want, exist_ok=True)
            for name in os.listdir(made):
                if not os.path.exists(os.path.join(want, name)):
                    os.symlink(os.path.join(made, name), os.path.join(want, name))
    except OSError:
        pass  # it makes a list of its own then


sys.meta_path.insert(0, _Fonts())
