"""The tokenizer: one token for each character, each task tag and each special token; as a table and as a file.

Training encodes with the table; what stands in a checkpoint's folder is the same table in the format of the
`tokenizers` library, which transformers, lm-eval and vLLM load.
"""

import json
from pathlib import Path
from typing import Final

import tokenizers

from family import toy

PAD: Final = "<pad>"
EOS: Final = "<eos>"
UNKNOWN: Final = "<unk>"
TOKENS: Final = (PAD, EOS, UNKNOWN, "=", *toy.TAGS.values(), *toy.ALPHABET)
IDS: Final = {token: number for number, token in enumerate(TOKENS)}


def encode_prompt(prompt: str) -> list[int]:
    """The ids of `tag:string=`; equal to what the saved tokenizer yields."""
    tag, colon, rest = prompt.partition(":")
    return [IDS[tag + colon], *(IDS[letter] for letter in rest)]


def encode_answer(answer: str) -> list[int]:
    """The ids of an answer, with the end token that the model must learn to say."""
    return [*(IDS[letter] for letter in answer), IDS[EOS]]


def tokenizer() -> tokenizers.Tokenizer:
    """The tokenizer as an object of the `tokenizers` library; decoding joins characters without spaces."""
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab=IDS, unk_token=UNKNOWN))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("[a-z]+:|."), behavior="isolated")
    made.decoder = tokenizers.decoders.Fuse()
    made.add_special_tokens([PAD, EOS, UNKNOWN])
    return made


def write(folder: Path, positions: int) -> None:
    """Write tokenizer.json and tokenizer_config.json into the folder."""
    tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": positions,
        "pad_token": PAD,
        "eos_token": EOS,
        "unk_token": UNKNOWN,
        "padding_side": "left",
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
