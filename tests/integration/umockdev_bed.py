"""Run by the system's Python under umockdev-wrapper: DESCRIPTION COMMAND... plays the described devices to
the command, and does what lines of JSON on standard input ask for:

{"add": TEXT}, {"clear": SYSPATH}, {"uevent": [SYSPATH, ACTION]}, {"say": [DEVICE, TEXT]}, {"stop": true},
{"link": [NAME, TARGET]} and {"unlink": NAME} below /dev. "clear" removes a device and all below it; a line on
which the command listens hangs up by that.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402


def main():
    bed = UMockdev.Testbed.new()
    there = set()

    def add(text):
        """Devices of which several descriptions speak are added once."""
        for part in filter(str.strip, text.split("\n\n")):
            path = part.split()[1]
            if path not in there:
                there.add(path)
                bed.add_from_string(part.strip() + "\n")

    with open(sys.argv[1], encoding="utf-8") as file:
        add(file.read())
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    loop = GLib.MainLoop()

    def hang_up(node):
        """Close the other end of a line. umockdev keeps a map of the ptys that it made, and trips over its
        own entry when the kernel gives out the same one again."""
        os.close(bed.get_dev_fd("/dev/" + node))
        shutil.rmtree(f"{bed.get_root_dir()}/dev/.ptymap", ignore_errors=True)

    def obey(line):
        order = json.loads(line)
        if "add" in order:
            add(order["add"])
        elif "clear" in order:
            for path in sorted(there, reverse=True):
                if path.startswith(order["clear"]):
                    there.discard(path)
                    if "/tty/" in path:
                        hang_up(os.path.basename(path))
                    bed.remove_device("/sys" + path)
        elif "link" in order:
            name, target = order["link"]
            os.makedirs(os.path.dirname(f"{bed.get_root_dir()}/dev/{name}"), exist_ok=True)
            os.symlink(target, f"{bed.get_root_dir()}/dev/{name}")
        elif "unlink" in order:
            os.unlink(f"{bed.get_root_dir()}/dev/{order['unlink']}")
        elif "uevent" in order:
            bed.uevent(*order["uevent"])
        elif "say" in order:
            device, text = order["say"]
            os.write(bed.get_dev_fd(device), text.encode("latin-1"))
        else:
            child.send_signal(signal.SIGTERM)
        return False

    def listen():
        for line in sys.stdin:
            GLib.idle_add(obey, line)

    def wait():
        child.wait()
        GLib.idle_add(loop.quit)

    for act in (listen, wait):
        threading.Thread(target=act, daemon=True).start()
    loop.run()
    return child.returncode


if __name__ == "__main__":
    sys.exit(main())
