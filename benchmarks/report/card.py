"""The model card of a file of weights: what it is, what it costs, what the paper prints, how it is loaded."""

from collections.abc import Mapping
from pathlib import Path

TEMPLATE = """# {model}

Weights for the reproduction suite of {cited}.

| | |
|---|---|
| network | `{model}`, size `{size}`, {num_classes} classes |
| parameters | {parameters:,} |
| FLOPs | {flops} |
| layout | {layout} |
| made from | `{source}`, SHA-256 `{source_sha256}`, layout {source_layout} |

## Numbers of the paper

{printed}

## How to load it

```python
import tdam, benchmarks.networks.models as networks
model = networks.create("{model}", num_classes={num_classes}, size="{size}")
tdam.load_weights(model, "{file}")
```

## License

The code of the network is under the suite's MIT license. The weights are under that of whoever trained them: look where
`{source}` comes from."""
NONE_PRINTED = "{cited} prints none of this network."
PRINTED = "As {cited} prints them, of its own weights. None was measured with these.\n\n{rows}"


def model_card(
    file: Path, facts: Mapping[str, str], parameters: int, flops: str, printed: Mapping[str, str] | None, cited: str
) -> str:
    """The card as Markdown.

    Args:
        file: The weights.
        facts: What they say of themselves, see ``benchmarks.networks.conversion``.
        parameters: Counted.
        flops: In words.
        printed: The paper's values by column, as printed; None where it has no such network.
        cited: The paper.
    """
    rows = "\n".join(
        ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in (printed or {}).items() if value)]
    )
    return TEMPLATE.format(
        **facts,
        cited=cited,
        parameters=parameters,
        flops=flops,
        printed=(PRINTED if printed else NONE_PRINTED).format(cited=cited, rows=rows),
        file=file.name,
    )
