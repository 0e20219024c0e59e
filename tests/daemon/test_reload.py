"""SIGHUP: a good configuration takes over without a document lost, a bad one leaves the old pipeline
working; the service manager is told of each step, over a socket as systemd has it."""
import os
import pathlib
import signal
import socket
import subprocess
import time

from harness import OK, TEXTMILL, Case, classifier, main

WAIT = 60  # seconds until a test gives up; nothing waits that long


class Manager:
    """The service manager's end of the notify socket."""

    def __init__(self, folder):
        self.path = str(pathlib.Path(folder) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.settimeout(WAIT)
        self.heard = []

    def hear(self, word):
        """Reads until a message has the line `word`; all that was said is kept."""
        while True:
            lines = self.socket.recv(65536).decode().splitlines()
            self.heard += lines
            if word in lines:
                return lines

    def close(self):
        self.socket.close()


class Reload(Case):
    def daemon(self, box, watchdog_usec=None):
        manager = Manager(box.folder)
        self.addCleanup(manager.close)
        env = {**os.environ, "NOTIFY_SOCKET": manager.path}
        env.pop("WATCHDOG_PID", None)
        if watchdog_usec:
            env["WATCHDOG_USEC"] = str(watchdog_usec)
        log = open(box.folder / "log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen([TEXTMILL, "run", "-c", box.config], stderr=log, env=env)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        manager.hear("READY=1")
        return process, manager

    def wait_for(self, box, name):
        """Until the result of this file is there."""
        end = time.monotonic() + WAIT
        while name not in box.results():
            self.assertLess(time.monotonic(), end, f"no result of {name}: {self.log(box)}")
            time.sleep(0.01)

    def log(self, box):
        return (box.folder / "log").read_text()

    def stop(self, process, box):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(WAIT), OK)
        self.check_log(self.log(box))

    def test_a_good_file_takes_over(self):
        box = self.box(tasks="[]")
        process, manager = self.daemon(box)
        box.put("before.txt", "One document before.")
        self.wait_for(box, "before.txt")
        classifier(box.folder / "classifier")
        box.write(tasks="[{ task: sentiment, model: ./classifier }]")
        process.send_signal(signal.SIGHUP)
        reloading = manager.hear("RELOADING=1")
        self.assertTrue(any(line.startswith("MONOTONIC_USEC=") for line in reloading))
        manager.hear("STATUS=reload: working with the new configuration")
        box.put("after.txt", "One document after.")
        self.wait_for(box, "after.txt")
        self.stop(process, box)
        manager.hear("STOPPING=1")
        results = box.results()
        self.assertNotIn("sentiment", results["before.txt"])
        self.assertIn("sentiment", results["after.txt"])

    def test_a_bad_file_changes_nothing(self):
        box = self.box(tasks="[]")
        process, manager = self.daemon(box)
        good = box.config.read_text()
        for name, text, why in (
                ("typo", good.replace("sink:", "snik:"), "pipeline.yaml:5:"),
                ("model", good.replace("tasks: []", "tasks: [{ task: sentiment, model: ./gone }]"), "gone")):
            box.config.write_text(text)
            process.send_signal(signal.SIGHUP)
            manager.hear("RELOADING=1")
            manager.hear("READY=1")
            self.assertIn(why, self.log(box))
            box.put(f"{name}.txt", "The old pipeline goes on.")
            self.wait_for(box, f"{name}.txt")
        self.stop(process, box)

    def test_what_cannot_start_gives_way_to_the_old_one(self):
        box = self.box(tasks="[]")
        process, manager = self.daemon(box)
        (box.folder / "blocked").write_text("a file where the folder of results should be")
        box.write(tasks="[]", out="blocked/out")
        process.send_signal(signal.SIGHUP)
        manager.hear("STATUS=reload: back with the old configuration")
        manager.hear("READY=1")
        box.put("still.txt", "The old pipeline is back.")
        self.wait_for(box, "still.txt")
        self.stop(process, box)

    def test_the_watchdog_hears_of_a_process_that_watches(self):
        box = self.box(tasks="[]")
        process, manager = self.daemon(box, watchdog_usec=600_000)
        for _ in range(3):
            manager.hear("WATCHDOG=1")
        self.stop(process, box)


if __name__ == "__main__":
    main()
