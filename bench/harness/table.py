"""What was found, against its bounds: on the terminal and in docs/benchmarks.md."""
import json
import os
import subprocess

BEGIN = "<!-- from here on written by make bench -->"
END = "<!-- until here -->"


def judge(scenario, found):
    """A scenario's figures, the bounded ones first, as plain data."""
    lines = []
    for bound in scenario.bounds:
        line = {"figure": bound.figure, "value": found.figures.get(bound.figure), "bound": "", "met": None}
        sign = "≥" if bound.least else "≤"
        if bound.of:
            peer = found.figures.get(bound.of)
            line["bound"] = f"{sign} {bound.limit:g} × {bound.of.removesuffix(', µs')}"
            if peer is None:
                line["why"] = found.missing.get(bound.of, "not measured")
            else:
                line["bound"] += f" ({bound.limit * peer:.0f})"
            limit = None if peer is None else bound.limit * peer
        else:
            line["bound"] = f"{sign} {number(bound.limit) if bound.limit >= 1000 else f'{bound.limit:g}'}"
            limit = bound.limit
        if line["value"] is None:
            line["why"] = found.missing.get(bound.figure, "not measured")
        elif limit is not None:
            line["met"] = line["value"] >= limit if bound.least else line["value"] <= limit
        lines.append(line)
    bounded = {bound.figure for bound in scenario.bounds}
    lines += [{"figure": name, "value": value, "bound": "", "met": None}
              for name, value in found.figures.items() if name not in bounded]
    lines += [{"figure": name, "value": None, "bound": "", "met": None, "why": why}
              for name, why in found.missing.items() if name not in bounded]
    return {"name": scenario.name, "what": scenario.what, "lines": lines, "remarks": found.remarks}


def number(value):
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def verdict(line):
    if line["met"] is None:
        return line.get("why", "")
    return "met" if line["met"] else "NOT MET"


def show(results, micro=()):
    cells = [("scenario", "figure", "measured", "bound", "")]
    for result in results:
        for line in result["lines"]:
            cells.append((result["name"], line["figure"], number(line["value"]), line["bound"], verdict(line)))
    cells += [("micro", entry["name"], number(entry["value"]), "", entry["unit"]) for entry in micro]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for row in cells:
        print(f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}".rstrip())
    for result in results:
        for text in result["remarks"]:
            print(f"  {result['name']}: {text}")


def micro(program, uri, short):
    """The micro benchmarks' times; one line that says why when there are none."""
    if not program.exists():
        return [{"name": f"not measured: {program} is not built", "value": None, "unit": ""}]
    done = subprocess.run(
        [str(program), "--benchmark_format=json", f"--benchmark_min_time={0.05 if short else 0.5}"],
        env={**os.environ, "MONITOR_BENCH_POSTGRES": uri}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return [{"name": "failed: " + done.stderr.strip()[-300:], "value": None, "unit": ""}]
    found = []
    for entry in json.loads(done.stdout)["benchmarks"]:
        if entry.get("error_occurred"):
            found.append({"name": f"{entry['name']}: {entry['error_message']}", "value": None, "unit": ""})
        elif "per_item" in entry:
            found.append({"name": entry["name"], "value": entry["per_item"] * 1e9, "unit": "ns each"})
        else:
            found.append({"name": entry["name"], "value": entry["real_time"], "unit": entry["time_unit"]})
    return found


def write(root, facts, command, results, micro_results):
    """Puts the results into docs/benchmarks.md, beside earlier ones of the same binary."""
    store = root / "build/bench-results/results.json"
    store.parent.mkdir(parents=True, exist_ok=True)
    kept = _kept(store, facts["binary"])
    run = {"command": command, "facts": facts}
    kept["results"].update({result["name"]: {**result, "run": run} for result in results})
    if micro_results:
        kept["micro"] = {"entries": micro_results, "run": run}
    store.write_text(json.dumps(kept, indent=1))
    page = root / "docs" / "benchmarks.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(before + BEGIN + "\n\n" + _markdown(kept, facts) + "\n" + END + after)


def _kept(store, binary):
    """Earlier results of this binary, each with the run it is of. An older file has the facts of its last run alone."""
    kept = json.loads(store.read_text()) if store.exists() else {}
    old = kept.pop("facts", None)
    if old:
        run = {"command": "", "facts": old}
        kept["results"] = {name: {**result, "run": run} for name, result in kept["results"].items()}
        kept["micro"] = {"entries": kept["micro"], "run": run} if kept.get("micro") else None
    micro = kept.get("micro")
    return {
        "results": {name: result for name, result in kept.get("results", {}).items() if _is_of(binary, result)},
        "micro": micro if micro and _is_of(binary, micro) else None,
    }


def _is_of(binary, measured):
    return measured["run"]["facts"].get("binary") == binary


def _markdown(kept, facts):
    lines = ["| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in facts.items() if name not in ("date", "binary")]
    measured = [(name, result["run"]) for name, result in kept["results"].items()]
    if kept["micro"]:
        measured.append(("micro benchmarks", kept["micro"]["run"]))
    lines += ["", *_origins(measured, facts)]
    lines += ["", "| scenario | figure | measured | bound | |", "|---|---|---:|---|---|"]
    for result in kept["results"].values():
        for place, line in enumerate(result["lines"]):
            name = f"**{result['name']}**: {result['what']}" if place == 0 else ""
            lines.append(f"| {name} | {line['figure']} | {number(line['value'])} | {line['bound']} | {verdict(line)} |")
    lines += ["", "Remarks of the runs:", ""]
    lines += [f"- *{result['name']}*: {text}" for result in kept["results"].values() for text in result["remarks"]]
    if kept["micro"]:
        lines += ["", "| micro benchmark | |", "|---|---:|"]
        lines += [f"| {entry['name']} | {number(entry['value'])} {entry['unit']} |"
                  for entry in kept["micro"]["entries"]]
    return "\n".join(lines) + "\n"


def _origins(measured, facts):
    """When and how each was measured, and where something else was installed then than `facts` says."""
    runs = {}
    for name, run in measured:
        runs.setdefault(_origin(run, facts), []).append(name)
    return ["| measured on | with | |", "|---|---|---|",
            *(f"| {date} | {command} | {', '.join(names)}{other} |" for (date, command, other), names in runs.items())]


def _origin(run, facts):
    other = [f"{name} {value}" for name, value in run["facts"].items()
             if name not in ("date", "binary") and facts.get(name) != value]
    command = f"`{run['command']}`" if run["command"] else ""
    return run["facts"]["date"], command, f" (then: {'; '.join(other)})" if other else ""
