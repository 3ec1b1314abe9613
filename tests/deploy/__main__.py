"""`python -m tests.deploy` writes the golden files anew. Look at the difference before you commit it."""

from tests.deploy.rendering import GOLDEN, SCENARIOS, helm_running, scenario_values, whole_text


def main() -> None:
    """Render each scenario and keep the text."""
    with helm_running() as helm:
        for name in SCENARIOS:
            text = whole_text(helm.files(scenario_values(name)))
            (GOLDEN / f"{name}.yaml").write_text(text)


if __name__ == "__main__":
    main()
