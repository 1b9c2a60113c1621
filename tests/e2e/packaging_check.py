"""What ships beside the program is what the documents say: unit file, install rules, packages, images, links, keys.

Usage: packaging_check.py SOURCE BUILD MONITOR, which are the source folder, a finished build folder, and the program.
"""
import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import yaml

SOURCE, BUILD, MONITOR = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
UNIT = SOURCE / "http-monitoring.service"
DOCUMENTS = [SOURCE / "README.md", SOURCE / "CHANGELOG.md", *sorted((SOURCE / "docs").glob("*.md"))]


def run(*command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **options)


def packages(group):
    lines = (line.split() for line in (SOURCE / "tools/packages").read_text().splitlines())
    return [words[1] for words in lines if len(words) > 1 and words[0] == group]


class UnitFile(unittest.TestCase):
    def test_systemd_finds_no_fault_in_it(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder) / UNIT.name
            unit.write_text(UNIT.read_text().replace("/usr/bin/monitor", str(MONITOR)))
            said = run("systemd-analyze", "verify", "--recursive-errors=no", str(unit))
        ours = [line for line in (said.stdout + said.stderr).splitlines() if UNIT.name in line]
        self.assertEqual((said.returncode, ours), (0, []))

    def test_its_exposure_is_at_most_one_and_a_half(self):
        said = run("systemd-analyze", "security", "--offline=true", "--threshold=15", str(UNIT))
        self.assertEqual(said.returncode, 0, said.stdout[-300:] + said.stderr)

    def test_it_restarts_for_ever_but_not_on_a_bad_configuration(self):
        lines = UNIT.read_text().splitlines()
        for line in ["Type=notify", "StartLimitIntervalSec=0", "RestartPreventExitStatus=2", "Restart=on-failure"]:
            self.assertIn(line, lines)

    def test_no_core_file_and_no_collector_of_them(self):
        # With 0 the kernel would still run what core_pattern names, and the program could not raise its limit to 1.
        self.assertIn("LimitCORE=1", UNIT.read_text().splitlines())

    def test_the_user_it_names_is_made(self):
        user = re.search(r"^User=(\w+)$", UNIT.read_text(), re.M)[1]
        self.assertRegex((SOURCE / "packaging/monitor.sysusers.conf").read_text(), rf"(?m)^u {user} ")

    def test_every_credential_has_a_fallback(self):
        text = UNIT.read_text()
        loaded = re.findall(r"^LoadCredential=([\w-]+):", text, re.M)
        self.assertEqual(loaded, re.findall(r"^SetCredential=([\w-]+):.", text, re.M))


class Install(unittest.TestCase):
    def test_it_puts_everything_under_the_prefix_and_the_unit_names_it(self):
        with tempfile.TemporaryDirectory() as stage:
            done = run("cmake", "--install", str(BUILD), "--prefix", "/opt/monitor", env={**os.environ, "DESTDIR": stage})
            self.assertEqual(done.returncode, 0, done.stderr)
            root = pathlib.Path(stage) / "opt/monitor"
            self.assertTrue(os.access(root / "bin/monitor", os.X_OK))
            unit = (root / "lib/systemd/system/http-monitoring.service").read_text()
            self.assertIn("ExecStart=/opt/monitor/bin/monitor start ", unit)
            for path in ["lib/sysusers.d/monitor.conf", "lib/tmpfiles.d/monitor.conf", "share/doc/monitor/README.md",
                         "share/doc/monitor/docs/operations.md"]:
                self.assertTrue((root / path).is_file(), path)
            self.assertEqual([path.name for path in pathlib.Path(stage).iterdir()], ["opt"])


class Packages(unittest.TestCase):
    def test_every_library_the_program_needs_is_a_runtime_package(self):
        needed = re.findall(r"^\s*NEEDED\s+(\S+)", run("objdump", "-p", str(MONITOR)).stdout, re.M)
        self.assertIn("libsqlite3.so.0", needed)
        have = set(packages("runtime")) | {"libc6", "libgcc-s1", "libstdc++6"}
        # A debug build also names what its libraries' own CMake files name; the release links as needed.
        unused = re.findall(r"^\s+/\S*/(\S+)$", run("ldd", "-u", str(MONITOR)).stdout, re.M)
        needed = set(needed) - set(unused)
        for library in needed:
            owners = {line.split(":")[0] for line in run("dpkg", "-S", f"*/{library}").stdout.splitlines()}
            self.assertTrue(owners & have, f"{library} is in {owners or 'no package'}, none of them in tools/packages")

    def test_nothing_else_names_packages(self):
        for name in ["Dockerfile", ".ci/run", "Makefile", "README.md"]:
            for words in re.findall(r"apt(?:-get)? install ((?:.(?!&&))*)", (SOURCE / name).read_text()):
                wanted = [word.strip("'\"") for word in words.split() if not word.startswith("-")]
                self.assertEqual(wanted, ["make"], f"{name} installs {words}")

    def test_the_images_are_built_with_the_list(self):
        text = (SOURCE / "Dockerfile").read_text()
        self.assertIn("RUN make deps-build", text)
        self.assertIn("install-packages runtime", text)


class Images(unittest.TestCase):
    def setUp(self):
        self.services = yaml.safe_load((SOURCE / "docker-compose.yaml").read_text())["services"]

    def test_the_tutorial_starts_postgres_and_the_example_on_loopback_alone(self):
        at_once = {name for name, service in self.services.items() if "profiles" not in service}
        self.assertEqual(at_once, {"postgres", "example"})
        self.assertEqual(self.services["postgres"]["ports"], ["127.0.0.1:5432:5432"])
        self.assertEqual(self.services["example"]["ports"], ["127.0.0.1:8000:8000"])

    def test_the_monitor_is_behind_a_profile(self):
        self.assertEqual(self.services["monitor"]["profiles"], ["monitor"])

    def test_each_has_a_health_check(self):
        for name, service in self.services.items():
            self.assertTrue(service["healthcheck"]["test"], name)

    def test_the_targets_exist_and_hold_no_password_and_no_root(self):
        text = (SOURCE / "Dockerfile").read_text()
        stages = re.findall(r"^FROM \S+ AS (\w+)$", text, re.M)
        for service in self.services.values():
            if "build" in service:
                self.assertIn(service["build"]["target"], stages)
        self.assertEqual(stages[-1], "monitor")
        self.assertNotIn("1234567890", text)
        for stage in ["example", "monitor"]:
            self.assertRegex(text.split(f" AS {stage}\n")[1].split("\nFROM ")[0], r"(?m)^USER (?!root)\w+$")

    def test_folders_are_mounted_not_files(self):
        volumes = yaml.safe_load((SOURCE / "docker-compose.yaml").read_text())["volumes"]
        for service in self.services.values():
            for mount in service.get("volumes", []):
                self.assertIn(mount.split(":")[0], volumes)


def anchors(document):
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def leaves(*prefix):
    """Every command that has no commands below it, as its words, with its help page."""
    page = run(str(MONITOR), *prefix, "--help").stdout
    below = re.findall(r"^  (\w+)  ", page.partition("\nCommands:\n")[2].partition("\n\n")[0], re.M)
    if not below:
        yield prefix, page
    for name in below:
        yield from leaves(*prefix, name)


# Of the predecessor, and of the other of two ways to give one value.
NEVER_SHOWN = {"last_checked_at", "external_database_uri_file"}


def configuration_keys():
    sources = [path.read_text() for path in (SOURCE / "src/config").glob("*.cpp")]
    keys = {key for text in sources for key in re.findall(r'^\s+\{"(\w+)", &\w+::', text, re.M)}
    assert len(keys) > 70, keys
    return keys


def keys_of(value):
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def as_service(block):
    """The keys of one service, as a configuration."""
    lines = block if "url:" in re.findall(r"^\w+:", block, re.M) else "url: https://example.org/\n" + block
    return "services:\n  -\n" + "".join(f"    {line}\n" for line in lines.splitlines())


@contextlib.contextmanager
def examples_folder():
    """A folder with the files that the examples name."""
    with tempfile.TemporaryDirectory() as folder:
        files = {"token.txt": "t", "password.txt": "p", "secret.txt": "s", "request.json": "{}",
                 "ca.pem": "-----BEGIN CERTIFICATE-----\n", "client.pem": "-----BEGIN CERTIFICATE-----\n",
                 "client.key": "-----BEGIN PRIVATE KEY-----\n"}
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.write_text(text)
            path.chmod(0o600)
        yield folder


class Documents(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        for document in DOCUMENTS:
            for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
                if "://" in target:
                    continue
                path, _, anchor = target.partition("#")
                file = (document.parent / path).resolve() if path else document
                self.assertTrue(file.exists(), f"{document.name}: {target}")
                if anchor:
                    self.assertIn(anchor, anchors(file), f"{document.name}: {target}")

    def test_every_make_target_that_is_named_exists(self):
        targets = set(re.findall(r"^([a-z-]+):", (SOURCE / "Makefile").read_text(), re.M))
        for document in DOCUMENTS:
            named = re.findall(r"(?:`|^|&& )make ([a-z-]+)", document.read_text(), re.M)
            self.assertLessEqual(set(named), targets, document.name)

    def test_the_configuration_page_has_every_key(self):
        page = (SOURCE / "docs/configuration.md").read_text()
        keys = configuration_keys()
        self.assertEqual([key for key in sorted(keys) if not re.search(rf"`(?:[\w.]+\.)?{key}`", page)], [])

    def test_each_key_has_an_example_and_the_program_takes_it(self):
        page = (SOURCE / "docs/configuration.md").read_text()
        shown = set()
        for block in re.findall(r"^```yaml\n(.*?)^```$", page, re.M | re.S):
            shown |= keys_of(yaml.safe_load(block))
            with self.subTest(block=block), examples_folder() as folder:
                self.assert_taken(folder, block if "services:" in block else as_service(block))
        self.assertEqual(sorted(configuration_keys() - shown - NEVER_SHOWN), [])

    def test_the_example_configuration_is_taken_and_has_every_key(self):
        text = (SOURCE / "docs/monitoring-config.example.yaml").read_text()
        with examples_folder() as folder:
            self.assert_taken(folder, text)
        for key in configuration_keys() - {"last_checked_at"}:
            self.assertRegex(text, rf"(?m)(^|[ {{])(# )?{key}:", key)

    def assert_taken(self, folder, text):
        file = pathlib.Path(folder) / "config"
        file.write_text(text)
        file.chmod(0o600)
        names = ["TOKEN", "PASSWORD", "CLIENT_SECRET", "PROXY_PASSWORD", "DATABASE_PASSWORD"]
        variables = {**os.environ, **{name: "a" for name in names}}
        said = run(str(MONITOR), "config", "validate", "--config-path", str(file), env=variables)
        self.assertEqual(said.returncode, 0, said.stderr + text)

    def test_the_data_model_page_has_every_outcome_as_the_program_has_it(self):
        page = (SOURCE / "docs/data-model.md").read_text()
        entries = re.findall(r'OutcomeInfo\{Outcome::\w+,\s*"(\w+)",\s*Verdict::k(\w+),\s*"([^"]*)"\}',
                             (SOURCE / "src/common/outcome.h").read_text())
        self.assertGreater(len(entries), 20)
        for name, verdict, meaning in entries:
            self.assertIn(f"| `{name}` | {verdict.lower()} | {meaning} |", page)

    def test_every_command_and_option_that_is_named_exists(self):
        helps = dict(leaves())
        self.assertIn(("config", "services", "add"), helps)
        for document in DOCUMENTS:
            starts = r"(?:^|`)(?:sudo (?:[A-Z_]+=\S+ )?|docker-compose (?:run --rm|exec monitor) )?monitor ([^`\n|]+)"
            for line in re.findall(starts, document.read_text(), re.M):
                words = line.split()
                leaf = next((leaf for leaf in helps if tuple(words[: len(leaf)]) == leaf), None)
                self.assertIsNotNone(leaf, f"{document.name}: monitor {line}")
                for option in re.findall(r" (--[a-z-]+)", " " + line):
                    self.assertIn(option, helps[leaf], f"{document.name}: monitor {line}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
