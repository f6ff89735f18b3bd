"""A chat that is written as ShareGPT does is read back as it was, and other roles keep their names."""

from tracegen.sharegpt import conversation, message


def test_what_is_written_is_read_back() -> None:
    said = [{"role": role, "content": f"by {role}"} for role in ("system", "user", "assistant", "tool", "critic")]
    turns = conversation(said)["conversations"]
    assert [turn["from"] for turn in turns] == ["system", "human", "gpt", "observation", "critic"]
    assert [message(turn) for turn in turns] == said


def test_a_turn_without_a_value_says_nothing() -> None:
    assert message({"from": "gpt"}) == {"role": "assistant", "content": None}
