"""The results of a machine as a page of text: the table of targets, what was measured, and where a missed target's time goes."""
from peer.cases import CASES, COLUMNS, MEMORY_CASE, MEMORY_TARGET, SHARE_TARGETS
from peer.measure import BUSY_SPREAD


def table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def row_of(document, case_name, column):
    """The measured row that fills this column, or nothing."""
    for row in document["rows"].values():
        if row["case"] == case_name and row["column"] == column:
            return row
    return None


def case_of(row):
    return next(case for case in CASES if case.name == row["case"])


def remark(row):
    busy = row["spread"]["ratio"] > BUSY_SPREAD
    return (", busy machine" if busy else "") + (", quick run" if row["quick"] else "")


def cell(target, document, case_name, column, verdict):
    """A cell of the table of targets; verdict: row -> (text, met)."""
    row = row_of(document, case_name, column)
    if row is None:
        no_bf16 = column == "bf16" and "bf16" not in document["machine"]["precisions"]
        return f"{target}: " + ("this CPU has no bf16" if no_bf16 else "open: not measured")
    text, met = verdict(row)
    return f"{target}: **{text}** {'met' if met else 'MISSED'}{remark(row)}"


def ratio_cells(document, case):
    for column in COLUMNS:
        target = case.target(column)
        yield cell(f"{target:.1f}", document, case.name, column, lambda row: (f"{row['ratio']:.2f}", row["ratio"] >= target))


def share_cells(document, case_name):
    for column, target in zip(COLUMNS, SHARE_TARGETS[case_name]):
        yield cell(f"{100 * target:.0f} %", document, case_name, column,
                   lambda row: (f"{100 * row['share_of_matmul']:.1f} %", row["share_of_matmul"] >= target))


def memory_cells(document):
    for column in COLUMNS:
        yield cell(f"{MEMORY_TARGET:.1f}", document, MEMORY_CASE, column,
                   lambda row: (f"{row['memory_ratio']:.2f}", row["memory_ratio"] <= MEMORY_TARGET))


def targets_table(document):
    title = {case.name: case.title for case in CASES}
    rows = [[case.title, *ratio_cells(document, case)] for case in CASES]
    rows += [[f"share of the 2048^3 rate: {title[name]}", *share_cells(document, name)] for name in SHARE_TARGETS]
    rows.append([f"peak memory, initlab / peer: {title[MEMORY_CASE]}", *memory_cells(document)])
    return table(["workload", *COLUMNS.values()], rows)


def measured_rows(document):
    """In the order of the table; f32 before bf16."""
    rows = [row_of(document, case.name, column) for case in CASES for column in COLUMNS]
    return [row for row in rows if row is not None]


def speed_table(document):
    def line(row):
        pairs = ", ".join(f"{pair['ratio']:.2f}" for pair in row["pairs"])
        return [row["case"], row["precision"], f"{row['initlab_tokens_per_s']:.0f}", f"{row['peer_tokens_per_s']:.0f}",
                f"{row['ratio']:.2f}", pairs, f"{100 * row['spread']['ratio']:.1f} %", f"{100 * row['others']:.0f} %",
                row["variant"]["name"]]
    header = ["row", "precision", "initlab, tokens/s", "peer, tokens/s", "ratio", "of the pairs", "spread", "others",
              "the peer's fastest"]
    return table(header, [line(row) for row in measured_rows(document)])


def use_table(document):
    def line(row):
        ours, theirs = row["pairs"][0]["initlab"], row["pairs"][0]["peer"]
        rates = theirs["matmul_gflops"]
        return [row["case"], row["precision"], f"{100 * row['share_of_matmul']:.1f} %", f"{ours['matmul_gflops']:.0f}",
                f"{rates.get(row['precision'], float('nan')):.0f}", f"{ours['peak_rss_mib']:.0f}", f"{theirs['peak_rss_mib']:.0f}",
                f"{row['memory_ratio']:.2f}", f"{row['memory_ratio_to_leanest']:.2f}", f"{ours['page_faults_per_step']:.1f}",
                f"{theirs['page_faults_per_step']:.0f}"]
    header = ["row", "precision", "share of matmul", "2048^3 oneDNN, GF/s", "torch.mm, GF/s", "initlab, MiB", "peer, MiB", "ratio",
              "to the leanest variant", "page faults a step", "the peer's"]
    return table(header, [line(row) for row in measured_rows(document)])


def variants_table(document):
    def text(tried):
        return tried["name"] + ": " + ("failed" if "failed" in tried else f"{tried['tokens_per_s']:.0f}")
    return table(["row", "precision", "valid tokens/s of one short run"],
                 [[row["case"], row["precision"], "; ".join(text(t) for t in row["search"]) or "not searched"]
                  for row in measured_rows(document)])


def beyond_text(document):
    """What the peer reaches with help that does not count; see variants.py."""
    found = [(row, tried) for row in measured_rows(document) for tried in row["search"]
             if not tried["counts"] and "failed" not in tried]
    if not found:
        return ""
    lines = [[row["case"], row["precision"], f"{tried['tokens_per_s']:.0f}", f"{row['initlab_tokens_per_s'] / tried['tokens_per_s']:.2f}",
              tried["name"]] for row, tried in found]
    return ("Not counted, because it overrides an internal of a closed library, but worth knowing where f32 is compared:\n\n"
            + table(["row", "precision", "peer, tokens/s of one short run", "initlab / that", "variant"], lines))


def missed(row):
    case, index = case_of(row), list(COLUMNS).index(row["column"])
    share = SHARE_TARGETS.get(row["case"])
    return row["ratio"] < case.target(row["column"]) or (share is not None and row["share_of_matmul"] < share[index])


def phases_table(row):
    phases = row["phases_ms"]
    whole = sum(phases.values())
    return table(["phase", "ms a step", "share"],
                 [[name, f"{ms:.2f}", f"{100 * ms / whole:.1f} %"] for name, ms in phases.items() if ms > 0])


def missed_text(document):
    rows = [row for row in measured_rows(document) if missed(row)]
    if not rows:
        return "Every measured target is met.\n"
    return "\n".join(f"{case_of(row).title}, {row['precision']}:\n\n{phases_table(row)}" for row in rows)


def same(rows, key):
    """What the rows say, each once."""
    texts = []
    for row in rows:
        text = key(row)
        if text not in texts:
            texts.append(text)
    return "; ".join(texts)


def versions_text(rows):
    def peer(row):
        versions = row["peer_versions"]
        return (f"Python {versions['python']}, torch {versions['torch']}, transformers {versions['transformers']} "
                f"({'; '.join(versions['libraries'])})")
    return "\n".join([
        f"- initlab: {same(rows, lambda r: r['build'])}; oneDNN {same(rows, lambda r: r['libraries']['onednn'])}",
        f"- peer: {same(rows, peer)}",
        f"- threads: {same(rows, lambda r: str(r['threads']))}; measured {same(rows, lambda r: r['date'])}"]) + "\n"


def commands_text(rows):
    lines = []
    for row in rows:
        lines += [f"# {row['case']}, {row['precision']}", *(row["commands"][name] for name in ("batches", "initlab", "peer"))]
    return "```sh\n" + "\n".join(lines) + "\n```\n"


def markdown(document, name):
    rows = measured_rows(document)
    cpu = document["machine"]
    return "\n".join([
        f"# Speed on {cpu['model']} ({cpu['isa']})\n",
        f"{cpu['cores']} cores, {cpu['memory_gib']:.0f} GiB. Made by `scripts/bench_peer` from `{name}.json`; README.md says how to "
        "read it.\n",
        versions_text(rows),
        "## Targets\n",
        "Ratios are initlab's valid tokens per second over those of the peer's fastest variant.\n",
        targets_table(document),
        "## Measured\n", speed_table(document), use_table(document),
        "## The peer's variants\n", variants_table(document), beyond_text(document),
        "## Where the time goes, for rows that miss a target\n", missed_text(document),
        "## Commands\n", commands_text(rows)])
