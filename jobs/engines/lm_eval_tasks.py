"""Task files for lm-eval: the validation documents of a study, and a file of questions of the user's own."""

import json
from collections.abc import Iterator
from itertools import islice

from jobs.corpora.bpe import ENDS
from jobs.corpora.mixture import Domain, Mixture
from jobs.corpora.write_store import read_documents

DOCUMENTS = 500
"""Most validation documents of a domain in the task."""
COMMAND = "lm_eval --model hf --model_args pretrained=.,dtype=float32 --include_path tasks --log_samples -o results"
"""What runs a task in the folder of the model; `--tasks NAME` follows."""

VALIDATION = f"""# {COMMAND} --tasks study_validation
task: study_validation
dataset_path: json
dataset_kwargs: {{data_files: {{test: tasks/validation.jsonl}}}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{{{text}}}}"
metric_list: [{{metric: bits_per_byte}}, {{metric: byte_perplexity}}]
"""
OWN = f"""# Write tasks/own.jsonl, one line a question: {{"question": "…", "choices": ["…", "…"], "answer": 0}}
# {COMMAND} --tasks own
task: own
dataset_path: json
dataset_kwargs: {{data_files: {{test: tasks/own.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""


def task_files(corpus: Mixture) -> dict[str, str]:
    """Return the files of the folder `tasks` by their names; the validation task only for a corpus of text."""
    files = {"own.yaml": OWN}
    texts = [text for domain in corpus.domains for text in islice(_texts(domain), DOCUMENTS)]
    if texts:
        lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        files |= {"validation.yaml": VALIDATION, "validation.jsonl": "".join(lines)}
    return files


def _texts(domain: Domain) -> Iterator[str]:
    """Yield the validation documents of a domain that are UTF-8, without their ends."""
    store = domain.store
    if not store.manifest.has_maps:
        return
    if store.manifest.tokenizer == "bytes":
        for batch in read_documents(store, "validation"):
            for document in batch:
                try:
                    yield document.decode("utf-8")
                except UnicodeDecodeError:
                    continue
        return
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer, tokens = Tokenizer.from_file(str(store.folder / "tokenizer.json")), store.tokens("validation")
    end = next(found for token in ENDS if (found := tokenizer.token_to_id(token)) is not None)
    start = 0
    for stop in np.flatnonzero(tokens == end):
        yield tokenizer.decode(tokens[start:stop].tolist(), skip_special_tokens=False)
        start = int(stop) + 1
