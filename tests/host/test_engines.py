"""The command engines."""


def test_generated_source(bench_command):
    done = bench_command("engines", "--source", "compiled")
    assert done.exit_code == 0 and "def product_" in done.stdout
    compile(done.stdout, "<printed>", "exec")
    assert bench_command("engines", "--source", "tape").exit_code == 2
